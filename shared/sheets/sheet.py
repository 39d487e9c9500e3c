"""A sheet: some thousand consecutive conditions of a large job, as one Parquet object. Knows no table.

A value of metadata and a placement occur in many conditions, so each is written once and pointed at. Equal
rows give equal bytes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self, TypeVar
from uuid import UUID

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from shared.queries.fields import FIELD_NAMES
from shared.queries.spec import Coverage, Placement
from shared.results.specimens import specimens_prefix

INPUTS_OF_A_SHEET = 4_096
POSITION, FIRST_SAMPLE, NUM_SAMPLES, CUSTOM_ID = "position", "first_sample", "num_samples", "custom_id"
_NUMBERS = (POSITION, FIRST_SAMPLE, NUM_SAMPLES)
_PLACED = "placed:"  # before the name of a field

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One condition: its row in what was sent, and what `job_inputs` would hold of it.

    `first_sample` counts within the job. `custom_id` is "" where it has none.
    """

    position: int
    first_sample: int
    num_samples: int
    metadata: Mapping[str, str]
    placements: Mapping[str, Placement]
    custom_id: str = ""


@dataclass(frozen=True, slots=True)
class SheetRef:
    """Where a sheet lies, which samples of its job it holds, how many conditions, and its SHA-256 in hex."""

    key: str
    first_sample: int
    num_samples: int
    inputs: int
    sha256: str

    def to_json(self) -> dict[str, Any]:
        """An entry of `jobs.sheets`."""
        return asdict(self)

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(**entry)


def sheet_key(job_id: UUID, number: int) -> str:
    """The key of a job's sheet, in order from 0."""
    return f"{specimens_prefix(job_id)}/sheet-{number:06d}.parquet"


def overlapping(sheets: Sequence[SheetRef], first_sample: int, num_samples: int) -> Sequence[SheetRef]:
    """Those of a job's sheets, in order, that hold any of these samples."""
    begin = max(bisect_right(sheets, first_sample, key=lambda sheet: sheet.first_sample) - 1, 0)
    end = bisect_right(sheets, first_sample + num_samples - 1, key=lambda sheet: sheet.first_sample)
    return sheets[begin:end] if num_samples > 0 else sheets[:0]


def encode_sheet(rows: Sequence[SheetRow]) -> bytes:
    """The Parquet bytes of consecutive conditions, in order; at least one."""
    columns: dict[str, pa.Array] = {
        POSITION: pa.array([row.position for row in rows], pa.int32()),
        FIRST_SAMPLE: pa.array([row.first_sample for row in rows], pa.int32()),
        NUM_SAMPLES: pa.array([row.num_samples for row in rows], pa.int32()),
    }
    if any(row.custom_id for row in rows):
        columns[CUSTOM_ID] = pa.array([row.custom_id for row in rows], pa.string())
    said, placed = _names(row.metadata for row in rows), _names(row.placements for row in rows)
    for name in FIELD_NAMES:
        if name in said:
            values = [row.metadata.get(name) for row in rows]
            columns[name] = pa.array(values, pa.string()).dictionary_encode()
        if name in placed:
            columns[_PLACED + name] = _pointers([row.placements.get(name) for row in rows])
    sink = pa.BufferOutputStream()
    pq.write_table(
        pa.table(columns),
        sink,
        compression="zstd",
        use_dictionary=[name for name in columns if name not in (*_NUMBERS, CUSTOM_ID)],
        column_encoding=dict.fromkeys(_NUMBERS, "DELTA_BINARY_PACKED"),
        write_statistics=False,
    )
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def decode_sheet(data: bytes) -> list[SheetRow]:
    """The rows that `encode_sheet` was given. Raises ValueError or pyarrow's errors for anything else."""
    table = pq.read_table(pa.BufferReader(data))
    names = table.column_names
    metadata = _gathered(
        {name: _cells(table.column(name)) for name in FIELD_NAMES if name in names}, len(table)
    )
    placements = _gathered(
        {name: _placed(table.column(_PLACED + name)) for name in FIELD_NAMES if _PLACED + name in names},
        len(table),
    )
    custom_ids = table.column(CUSTOM_ID).to_pylist() if CUSTOM_ID in names else [""] * len(table)
    numbers = (table.column(name).to_pylist() for name in _NUMBERS)
    return list(map(SheetRow, *numbers, metadata, placements, custom_ids))


def _names(rows: Iterable[Mapping[str, object]]) -> set[str]:
    """The fields of which any row says something."""
    return set().union(*rows)


def _pointers(placements: Sequence[Placement | None]) -> pa.DictionaryArray:
    """Each placement once, as JSON text, and for each row which one; null where there is none."""
    known: dict[Placement, int] = {}
    indices = [None if each is None else known.setdefault(each, len(known)) for each in placements]
    texts = [orjson.dumps([each.coverage, each.terms, each.distance]).decode() for each in known]
    return pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32()), pa.array(texts, pa.string()))


def _placed(column: pa.ChunkedArray) -> list[Placement | None]:
    return [
        placement
        for chunk in column.chunks
        for placement in _looked_up(chunk, [_placement(text) for text in chunk.dictionary.to_pylist()])
    ]


def _cells(column: pa.ChunkedArray) -> list[str | None]:
    return [cell for chunk in column.chunks for cell in _looked_up(chunk, chunk.dictionary.to_pylist())]


def _looked_up(chunk: pa.DictionaryArray, values: Sequence[T]) -> list[T | None]:
    """The value of each row; a thousand rows that say the same share one object."""
    with_none: list[T | None] = [*values, None]
    indices = chunk.indices.fill_null(len(values)).to_numpy(zero_copy_only=False)
    return [with_none[index] for index in indices.astype(np.int64).tolist()]


def _placement(text: str) -> Placement:
    coverage, terms, distance = orjson.loads(text)
    return Placement(Coverage(coverage), tuple(terms), distance)


def _gathered(columns: Mapping[str, Sequence[T | None]], rows: int) -> list[dict[str, T]]:
    """For each row what stands in these columns."""
    gathered: list[dict[str, T]] = [{} for _ in range(rows)]
    for name, cells in columns.items():
        for row, cell in zip(gathered, cells, strict=True):
            if cell is not None:
                row[name] = cell
    return gathered
