"""Samples: counts, the metadata that were asked for, the latents that they were made from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from shared.results.forms.form import ResultForm, metadata_array, metadata_field, whole
from shared.results.part import (
    COUNTS,
    LATENT_GROUPS,
    METADATA_COLUMNS,
    counts_matrix,
    latent_column,
    part_table,
)


def _json_rows(part: pa.Table, num_genes: int) -> Iterator[dict[str, Any]]:
    counts = counts_matrix(part.column(COUNTS), num_genes)
    metadata = part.select(list(METADATA_COLUMNS)).to_pylist()
    latents = {group: part.column(latent_column(group)).to_pylist() for group in LATENT_GROUPS}
    for index in range(part.num_rows):
        yield {
            "counts": counts[index],
            "metadata": metadata[index],
            "latents": {group: values[index] for group, values in latents.items()},
        }


def _arrow_fields(_: pa.Schema) -> Sequence[pa.Field]:
    """Counts as list<int64>, metadata as a struct of strings, the three latents as list<float>."""
    return [
        pa.field("counts", pa.list_(pa.int64())),
        metadata_field(),
        *(pa.field(latent_column(group), pa.list_(pa.float32())) for group in LATENT_GROUPS),
    ]


def _arrow_arrays(part: pa.Table) -> Sequence[pa.Array]:
    return [
        whole(part, COUNTS).cast(pa.list_(pa.int64())),
        metadata_array(part),
        *(whole(part, latent_column(group)) for group in LATENT_GROUPS),
    ]


EXPRESSION = ResultForm(part_table, _json_rows, _arrow_fields, _arrow_arrays)
