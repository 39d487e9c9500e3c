"""Samples: counts, the metadata that were asked for, the latents that they were made from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from shared.results.forms.form import (
    ResultForm,
    latents_of,
    metadata_array,
    metadata_field,
    metadata_of,
    metadata_rows,
    whole,
)
from shared.results.part import COUNTS, counts_matrix, latent_column, part_table


def _json_rows(part: pa.Table, num_genes: int) -> Iterator[dict[str, Any]]:
    columns = part.column_names
    shown: dict[str, Any] = {}
    if COUNTS in columns:
        shown["counts"] = counts_matrix(part.column(COUNTS), num_genes)
    if metadata_of(columns):
        shown["metadata"] = metadata_rows(part)
    latents = {group: part.column(latent_column(group)).to_pylist() for group in latents_of(columns)}
    for index in range(part.num_rows):
        row = {name: values[index] for name, values in shown.items()}
        if latents:
            row["latents"] = {group: values[index] for group, values in latents.items()}
        yield row


def _arrow_fields(part: pa.Schema) -> Sequence[pa.Field]:
    """Counts as list<int64>, metadata as a struct of strings, the three latents as list<float>."""
    fields = [pa.field("counts", pa.list_(pa.int64()))] if COUNTS in part.names else []
    if metadata_of(part.names):
        fields.append(metadata_field(part))
    latents = [latent_column(group) for group in latents_of(part.names)]
    return [*fields, *(pa.field(name, pa.list_(pa.float32())) for name in latents)]


def _arrow_arrays(part: pa.Table) -> Sequence[pa.Array]:
    columns = part.column_names
    arrays = [whole(part, COUNTS).cast(pa.list_(pa.int64()))] if COUNTS in columns else []
    if metadata_of(columns):
        arrays.append(metadata_array(part))
    return [*arrays, *(whole(part, latent_column(group)) for group in latents_of(columns))]


EXPRESSION = ResultForm(part_table, _json_rows, _arrow_fields, _arrow_arrays)
