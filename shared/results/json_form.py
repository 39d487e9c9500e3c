"""The JSON form that the public clients read, streamed: it starts at once and holds one part at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import orjson
import pyarrow as pa

from shared.results.header import ResultHeader
from shared.results.part import LATENT_GROUPS, METADATA_COLUMNS, counts_matrix, latent_column

_ROWS_AT_ONCE = 16


def stream_json(header: ResultHeader, parts: Iterable[pa.Table]) -> Iterator[bytes]:
    """Pieces of `{"gene_order": [...], "model_version": n, "outputs": [...]}`, some rows each."""
    genes = orjson.dumps(list(header.gene_order))
    yield b'{"gene_order":' + genes + b',"model_version":%d,"outputs":[' % header.model_version
    separator = b""
    for part in parts:
        for first in range(0, part.num_rows, _ROWS_AT_ONCE):
            rows = _rows(part.slice(first, _ROWS_AT_ONCE), len(header.gene_order))
            encoded = b",".join(orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY) for row in rows)
            yield separator + encoded
            separator = b","
    yield b"]}"


def _rows(part: pa.Table, num_genes: int) -> Iterator[dict[str, Any]]:
    counts = counts_matrix(part.column("counts"), num_genes)
    metadata = part.select(list(METADATA_COLUMNS)).to_pylist()
    latents = {group: part.column(latent_column(group)).to_pylist() for group in LATENT_GROUPS}
    for index in range(part.num_rows):
        yield {
            "counts": counts[index],
            "metadata": metadata[index],
            "latents": {group: values[index] for group, values in latents.items()},
        }
