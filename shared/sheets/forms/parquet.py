"""Rows of Parquet: the columns of CSV, or a struct column `metadata`; counts as a list column."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from tempfile import TemporaryFile
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from shared.errors import BodyTooLarge, InvalidInput
from shared.queries.forms import QueryForm
from shared.queries.input_values import COUNTS, CUSTOM_ID, METADATA, NUM_SAMPLES
from shared.sheets.body import too_large
from shared.sheets.forms.columns import check_columns, columns_of
from shared.sheets.row import Row

_ROWS_AT_ONCE, _WITH_COUNTS_AT_ONCE = 4_096, 64
_INDEX = re.compile(r"__index_level_\d+__")  # as pandas writes it


def read_parquet(
    pieces: Iterator[bytes], num_samples: int | None, form: QueryForm, limit: int
) -> Iterator[Row]:
    """The rows of a body, which lies on disk meanwhile; rows that do not say it have `num_samples`, else 1.

    Raises InvalidInput for what is no Parquet, QueryRejected for unknown columns, and BodyTooLarge.
    """
    with TemporaryFile() as file:
        for piece in pieces:
            file.write(piece)
        file.seek(0)
        try:
            yield from _rows(pq.ParquetFile(file), num_samples or 1, form, limit)
        except (pa.ArrowException, OSError) as error:
            raise InvalidInput("The request body is not a whole Parquet file; write it again.") from error


def _rows(file: pq.ParquetFile, num_samples: int, form: QueryForm, limit: int) -> Iterator[Row]:
    groups = (file.metadata.row_group(group) for group in range(file.metadata.num_row_groups))
    if sum(group.total_byte_size for group in groups) > limit:
        raise BodyTooLarge(too_large(f"has more than {limit:,} bytes once unpacked", limit))
    schema = file.schema_arrow
    names = [name for name in schema.names if not _INDEX.fullmatch(name)]
    whole = METADATA in names and pa.types.is_struct(schema.field(METADATA).type)
    allowed = (*columns_of(form), *((METADATA,) if whole and METADATA in form.keys else ()))
    check_columns(names, form, allowed, line=None)
    at_once = _WITH_COUNTS_AT_ONCE if COUNTS in names else _ROWS_AT_ONCE
    first = 0
    for batch in file.iter_batches(at_once, columns=names, use_threads=False):
        for number, item in enumerate(_items(batch, num_samples, form), first):
            yield Row(number, number + 1, item)
        first += len(batch)


def _items(batch: pa.RecordBatch, num_samples: int, form: QueryForm) -> Iterator[dict[str, object]]:
    columns = {name: _values(name, batch.column(name)) for name in batch.schema.names}
    given = columns.pop(METADATA, None)
    keys = {name: columns.pop(name) for name in form.keys if name in columns}
    if NUM_SAMPLES in form.keys:
        sizes = keys.get(NUM_SAMPLES, [None] * len(batch))
        keys[NUM_SAMPLES] = [num_samples if size is None else size for size in sizes]
    fields = list(columns)
    rows = zip(*columns.values(), strict=True) if columns else iter([()] * len(batch))
    for place, values in enumerate(rows):
        item: dict[str, object] = {name: column[place] for name, column in keys.items()}
        if METADATA in form.keys:
            item[METADATA] = _metadata(given[place] if given else None, fields, values)
        yield item


def _metadata(given: Mapping[str, object] | None, fields: Sequence[str], values: Sequence[object]) -> object:
    """What is set; an empty struct and no struct at all are no metadata."""
    own = {name: value for name, value in zip(fields, values, strict=True) if value is not None}
    return {**{name: value for name, value in (given or {}).items() if value is not None}, **own}


def _values(name: str, column: pa.Array) -> Sequence[Any]:
    if name == COUNTS and pa.types.is_list(column.type) | pa.types.is_large_list(column.type):
        return [row.values.to_numpy(zero_copy_only=False) if row.is_valid else None for row in column]
    if name == CUSTOM_ID and pa.types.is_integer(column.type):
        return list(column.cast(pa.string()).to_pylist())
    values: list[Any] = column.to_pylist()
    if pa.types.is_floating(column.type):  # polars and pandas write what is missing as not a number
        return [None if value != value else value for value in values]
    return values
