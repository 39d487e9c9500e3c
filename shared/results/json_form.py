"""The JSON form that the public clients read, streamed: it starts at once and holds one part at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import orjson
import pyarrow as pa

from shared.results.forms import FORMS, ResultForm
from shared.results.header import ResultHeader

_ROWS_AT_ONCE = 16


def stream_json(header: ResultHeader, parts: Iterable[pa.Table]) -> Iterator[bytes]:
    """Pieces of `{"gene_order": [...], "model_version": n, "outputs": [...]}`, some rows each."""
    genes = orjson.dumps(list(header.gene_order))
    yield b'{"gene_order":' + genes + b',"model_version":%d,"outputs":[' % header.model_version
    form, separator = FORMS[header.request_type], b""
    for part in parts:
        for rows in _encoded(form, part, len(header.gene_order)):
            yield separator + rows
            separator = b","
        del part  # before the next is read
    yield b"]}"


def _encoded(form: ResultForm, part: pa.Table, num_genes: int) -> Iterator[bytes]:
    """The rows of a part as JSON, some at once."""
    for first in range(0, part.num_rows, _ROWS_AT_ONCE):
        rows = form.json_rows(part.slice(first, _ROWS_AT_ONCE), num_genes)
        yield b",".join(orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY) for row in rows)
