"""Predictions: what each specimen is, how sure the model is of it, its latents and its reconstruction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from shared.results.forms.form import ResultForm, metadata_array, metadata_field, whole
from shared.results.part import (
    COUNTS,
    LATENT_GROUPS,
    METADATA_COLUMNS,
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
    """

    input_index: NDArray[np.int64]
    probabilities: Mapping[str, NDArray[np.float32]]
    classes: Mapping[str, Sequence[str]]
    modality: str
    latents: Mapping[str, NDArray[np.float32]]
    counts: NDArray[np.int32]

    def metadata(self) -> list[dict[str, str]]:
        """The most probable value of each field, for each specimen."""
        rows = [{"modality": self.modality} for _ in self.input_index]
        for name, values in self.probabilities.items():
            for row, best in zip(rows, values.argmax(1), strict=True):
                row[name] = self.classes[name][best]
        return rows


def _table(predictions: Predictions) -> pa.Table:
    """A row a specimen; the values that probabilities belong to stand once, in the table's own metadata."""
    columns = {
        "input_index": pa.array(predictions.input_index.astype(np.int32)),
        **metadata_columns(predictions.metadata()),
        **{_column(name): list_column(values) for name, values in predictions.probabilities.items()},
        COUNTS: list_column(predictions.counts),
        **latent_columns(predictions.latents),
    }
    classes = {name: list(values) for name, values in predictions.classes.items()}
    return pa.table(columns).replace_schema_metadata({_CLASSES: orjson.dumps(classes)})


def _json_rows(part: pa.Table, num_genes: int) -> Iterator[dict[str, Any]]:
    counts = counts_matrix(part.column(COUNTS), num_genes)
    metadata = part.select(list(METADATA_COLUMNS)).to_pylist()
    latents = {group: part.column(latent_column(group)).to_pylist() for group in LATENT_GROUPS}
    classes = _classes(part.schema)
    heads = {name: part.column(_column(name)).to_pylist() for name in classes}
    for index in range(part.num_rows):
        yield {
            "metadata": metadata[index],
            "classifier_probs": {
                name: dict(zip(classes[name], values[index], strict=True)) for name, values in heads.items()
            },
            "latents": {group: values[index] for group, values in latents.items()},
            "decoder_sample": {"counts": counts[index]},
        }


def _arrow_fields(part: pa.Schema) -> Sequence[pa.Field]:
    """Structs all through, since readers know neither maps nor dictionaries."""
    classes = _classes(part)
    return [
        metadata_field(),
        pa.field("classifier_probs", pa.struct([(name, _probabilities(classes[name])) for name in classes])),
        pa.field("latents", pa.struct([(group, pa.list_(pa.float32())) for group in LATENT_GROUPS])),
        pa.field("decoder_sample", pa.struct([("counts", pa.list_(pa.int64()))])),
    ]


def _arrow_arrays(part: pa.Table) -> Sequence[pa.Array]:
    classes = _classes(part.schema)
    heads = [_struct(whole(part, _column(name)), classes[name]) for name in classes]
    latents = [whole(part, latent_column(group)) for group in LATENT_GROUPS]
    counts = whole(part, COUNTS).cast(pa.list_(pa.int64()))
    return [
        metadata_array(part),
        pa.StructArray.from_arrays(heads, names=list(classes)),
        pa.StructArray.from_arrays(latents, names=list(LATENT_GROUPS)),
        pa.StructArray.from_arrays([counts], names=["counts"]),
    ]


def _struct(lists: pa.ListArray, values: Sequence[str]) -> pa.StructArray:
    """Lists of K probabilities as a struct of K numbers."""
    flat = lists.flatten().to_numpy(zero_copy_only=False).astype(np.float64).reshape(-1, len(values))
    columns = [pa.array(np.ascontiguousarray(column)) for column in flat.T]
    return pa.StructArray.from_arrays(columns, fields=list(_probabilities(values)))


def _probabilities(values: Sequence[str]) -> pa.StructType:
    return pa.struct([(value, pa.float64()) for value in values])


def _classes(part: pa.Schema) -> dict[str, list[str]]:
    found: dict[str, list[str]] = orjson.loads((part.metadata or {}).get(_CLASSES, b"{}"))
    return found


def _column(field: str) -> str:
    return f"{field}_probabilities"


RECOGNITION = ResultForm(_table, _json_rows, _arrow_fields, _arrow_arrays)
