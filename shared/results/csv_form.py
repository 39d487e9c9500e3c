"""The CSV form, streamed: a row per sample, a column per gene, in UTF-8; it holds one part at a time.

A column is named by Ensembl id, a probability `field=value`, a latent's number `biological_latent_0`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from shared.queries.requests import RequestType
from shared.results.forms.form import latents_of, metadata_of
from shared.results.forms.recognition import classes_of, probabilities_column
from shared.results.header import ResultHeader
from shared.results.part import COUNTS, CUSTOM_ID, METADATA_COLUMNS, counts_matrix, latent_column
from shared.results.selection import INDICES

MEDIA_TYPE = "text/csv"
_ROWS_AT_ONCE = 64


def usual_columns(request_type: RequestType, heads: Sequence[str]) -> tuple[str, ...]:
    """What a CSV holds where no columns are asked for: no latents; probabilities instead of counts."""
    numbers = tuple(heads) if request_type is RequestType.PREDICT_METADATA else (COUNTS,)
    return (*INDICES, CUSTOM_ID, *METADATA_COLUMNS, *numbers)


def stream_csv(header: ResultHeader, parts: Iterable[pa.Table]) -> Iterator[bytes]:
    """The header line, then some rows at once."""
    named = False
    for part in parts:
        if not named:
            yield _line([*_texts(part.column_names), *_numbers(header, part)])
            named = True
        for first in range(0, part.num_rows, _ROWS_AT_ONCE):
            yield _rows(part.slice(first, _ROWS_AT_ONCE), len(header.gene_order))
        del part  # before the next is read


def _texts(columns: Sequence[str]) -> list[str]:
    """The columns that are written as they are: indices and metadata."""
    return [*(name for name in INDICES if name in columns), *metadata_of(columns)]


def _numbers(header: ResultHeader, part: pa.Table) -> Iterator[str]:
    """The names of the numbers of a row, in their order."""
    for field, values in classes_of(part.schema).items():
        yield from (f"{field}={value}" for value in values)
    if COUNTS in part.column_names:
        yield from header.gene_order
    for group in latents_of(part.column_names):
        width = len(part.column(latent_column(group))[0])
        yield from (f"{latent_column(group)}_{place}" for place in range(width))


def _rows(rows: pa.Table, num_genes: int) -> bytes:
    texts = [rows.column(name).to_pylist() for name in _texts(rows.column_names)]
    heads: list[NDArray[Any]] = [
        _matrix(rows, probabilities_column(field)) for field in classes_of(rows.schema)
    ]
    if COUNTS in rows.column_names:
        heads.append(counts_matrix(rows.column(COUNTS), num_genes))
    heads += [_matrix(rows, latent_column(group)) for group in latents_of(rows.column_names)]
    lines = []
    for index, text in enumerate(zip(*texts, strict=True)):
        line = _line(text)[:-1]
        for numbers in heads:
            # What stands between the brackets of a JSON list of numbers is what stands in CSV.
            line += b"," + orjson.dumps(numbers[index], option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
        lines.append(line + b"\n")
    return b"".join(lines)


def _matrix(rows: pa.Table, name: str) -> NDArray[np.float32]:
    """A list column as a matrix [N, K]."""
    flat = rows.column(name).combine_chunks().flatten().to_numpy(zero_copy_only=False)
    matrix: NDArray[np.float32] = flat.reshape(rows.num_rows, -1)
    return matrix


def _line(values: Iterable[object]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue().encode()
