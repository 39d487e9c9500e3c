"""Predictions: what each specimen is, how sure the model is of it, its latents and its reconstruction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from shared.results.forms.form import (
    ResultForm,
    latents_of,
    metadata_array,
    metadata_field,
    metadata_of,
    metadata_rows,
    whole,
)
from shared.results.part import (
    COUNTS,
    CUSTOM_ID,
    counts_matrix,
    latent_column,
    latent_columns,
    list_column,
    metadata_columns,
)

_CLASSES = b"classes"


@dataclass(frozen=True, slots=True)
class Predictions:
    """The specimens of one chunk, in order.

    `probabilities` maps a field to float32 [N, K], and `classes` to the K values they belong to. `modality`
    is the model's. `counts` int32 [N, G] are the reconstruction's; `latents` maps a group to float32 [N, d].
    `custom_ids` are what the query calls them, None where it calls none of them anything.
    """

    input_index: NDArray[np.int64]
    probabilities: Mapping[str, NDArray[np.float32]]
    classes: Mapping[str, Sequence[str]]
    modality: str
    latents: Mapping[str, NDArray[np.float32]]
    counts: NDArray[np.int32]
    custom_ids: Sequence[str] | None = None

    def metadata(self) -> list[dict[str, str]]:
        """The most probable value of each field, for each specimen, and what the query calls it."""
        rows = [{"modality": self.modality} for _ in self.input_index]
        for name, values in self.probabilities.items():
            for row, best in zip(rows, values.argmax(1), strict=True):
                row[name] = self.classes[name][best]
        for row, custom_id in zip(rows, self.custom_ids or (), strict=False):
            row[CUSTOM_ID] = custom_id
        return rows


def _table(predictions: Predictions) -> pa.Table:
    """A row a specimen; the values that probabilities belong to stand once, in the table's own metadata."""
    columns = {
        "input_index": pa.array(predictions.input_index.astype(np.int32)),
        **metadata_columns(predictions.metadata()),
        **{
            probabilities_column(name): list_column(values)
            for name, values in predictions.probabilities.items()
        },
        COUNTS: list_column(predictions.counts),
        **latent_columns(predictions.latents),
    }
    classes = {name: list(values) for name, values in predictions.classes.items()}
    return pa.table(columns).replace_schema_metadata({_CLASSES: orjson.dumps(classes)})


def _json_rows(part: pa.Table, num_genes: int) -> Iterator[dict[str, Any]]:
    columns = part.column_names
    metadata = metadata_rows(part) if metadata_of(columns) else None
    latents = {group: part.column(latent_column(group)).to_pylist() for group in latents_of(columns)}
    classes = classes_of(part.schema)
    heads = {name: part.column(probabilities_column(name)).to_pylist() for name in classes}
    counts = counts_matrix(part.column(COUNTS), num_genes) if COUNTS in columns else None
    for index in range(part.num_rows):
        row: dict[str, Any] = {} if metadata is None else {"metadata": metadata[index]}
        if heads:
            row["classifier_probs"] = {
                name: dict(zip(classes[name], values[index], strict=True)) for name, values in heads.items()
            }
        if latents:
            row["latents"] = {group: values[index] for group, values in latents.items()}
        if counts is not None:
            row["decoder_sample"] = {"counts": counts[index]}
        yield row


def _arrow_fields(part: pa.Schema) -> Sequence[pa.Field]:
    """Structs all through, since readers know neither maps nor dictionaries."""
    classes, latents = classes_of(part), latents_of(part.names)
    fields = {
        "classifier_probs": [(name, _probabilities(classes[name])) for name in classes],
        "latents": [(group, pa.list_(pa.float32())) for group in latents],
        "decoder_sample": [("counts", pa.list_(pa.int64()))] if COUNTS in part.names else [],
    }
    structs = [pa.field(name, pa.struct(inner)) for name, inner in fields.items() if inner]
    return [metadata_field(part), *structs] if metadata_of(part.names) else structs


def _arrow_arrays(part: pa.Table) -> Sequence[pa.Array]:
    columns, classes = part.column_names, classes_of(part.schema)
    arrays = [metadata_array(part)] if metadata_of(columns) else []
    if classes:
        heads = [_struct(whole(part, probabilities_column(name)), classes[name]) for name in classes]
        arrays.append(pa.StructArray.from_arrays(heads, names=list(classes)))
    if groups := latents_of(columns):
        latents = [whole(part, latent_column(group)) for group in groups]
        arrays.append(pa.StructArray.from_arrays(latents, names=groups))
    if COUNTS in columns:
        counts = whole(part, COUNTS).cast(pa.list_(pa.int64()))
        arrays.append(pa.StructArray.from_arrays([counts], names=["counts"]))
    return arrays


def _struct(lists: pa.ListArray, values: Sequence[str]) -> pa.StructArray:
    """Lists of K probabilities as a struct of K numbers."""
    flat = lists.flatten().to_numpy(zero_copy_only=False).astype(np.float64).reshape(-1, len(values))
    columns = [pa.array(np.ascontiguousarray(column)) for column in flat.T]
    return pa.StructArray.from_arrays(columns, fields=list(_probabilities(values)))


def _probabilities(values: Sequence[str]) -> pa.StructType:
    return pa.struct([(value, pa.float64()) for value in values])


def classes_of(part: pa.Schema) -> dict[str, list[str]]:
    """The values that probabilities belong to, of each field whose probabilities a part has."""
    found: dict[str, list[str]] = orjson.loads((part.metadata or {}).get(_CLASSES, b"{}"))
    return {name: values for name, values in found.items() if probabilities_column(name) in part.names}


def probabilities_column(field: str) -> str:
    """The name of the column with the probabilities of a field's values."""
    return f"{field}_probabilities"


RECOGNITION = ResultForm(_table, _json_rows, _arrow_fields, _arrow_arrays)
