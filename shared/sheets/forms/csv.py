"""Rows of CSV: a header of metadata fields, then a condition on each line. An empty cell sets nothing."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence

from shared.errors import Fault, QueryRejected
from shared.queries.forms import QueryForm
from shared.queries.input_values import COUNTS, CUSTOM_ID, METADATA, NUM_SAMPLES
from shared.sheets.forms.columns import check_columns, columns_of
from shared.sheets.forms.ndjson import lines
from shared.sheets.row import Row

_WHOLE = re.compile(r"\s*[+-]?\d{1,18}\s*", re.ASCII)
_NUMBER = re.compile(r"\s*[+-]?\d{1,18}(\.\d*)?([eE][+-]?\d{1,2})?\s*", re.ASCII)


def read_csv(pieces: Iterator[bytes], num_samples: int | None, form: QueryForm) -> Iterator[Row]:
    """The rows of a body; `num_samples`, else 1, is for rows that do not say it.

    Raises QueryRejected for a header that cannot be read.
    """
    text = _Text(pieces)
    records = _records(text)
    _, header, fault = next(records, (1, [], ""))
    if fault:
        raise QueryRejected((Fault("columns", fault, line=1),))
    names = [name.strip() for name in header]
    _check_header(names, form)
    for number, (line, cells, fault) in enumerate(records):
        if not fault and len(cells) != len(names):
            fault = f"The row has {len(cells):,} cells; the header names {len(names):,} columns."
        yield Row(number, line, None if fault else _item(names, cells, num_samples or 1, form), fault)


def _check_header(names: Sequence[str], form: QueryForm) -> None:
    allowed = tuple(name for name in columns_of(form) if name != COUNTS)
    if len(names) == 1 and names[0] not in allowed and (mark := re.search(r"[;\t|]", names[0])):
        said = f"The columns are separated by {mark[0]!r}; separate them by commas."
        raise QueryRejected((Fault("columns", said, line=1),))
    if COUNTS in form.keys and COUNTS not in names:
        said = "Inputs need counts, which CSV cannot hold; send NDJSON, or Parquet with a list column counts."
        raise QueryRejected((Fault("columns", said, line=1),))
    check_columns(names, form, allowed, line=1)


def _item(names: Sequence[str], cells: Sequence[str], num_samples: int, form: QueryForm) -> dict[str, object]:
    values = {name: cell for name, cell in zip(names, cells, strict=True) if cell}
    item: dict[str, object] = {}
    if NUM_SAMPLES in form.keys:
        written = values.pop(NUM_SAMPLES, None)
        item[NUM_SAMPLES] = num_samples if written is None else _number(written)
    if custom_id := values.pop(CUSTOM_ID, None):
        item[CUSTOM_ID] = custom_id
    item[METADATA] = values
    return item


def _number(written: str) -> object:
    """The number that a cell holds; the cell itself where that is none."""
    if _WHOLE.fullmatch(written):
        return int(written)
    return float(written) if _NUMBER.fullmatch(written) else written


def _records(text: _Text) -> Iterator[tuple[int, list[str], str]]:
    """The line where a record begins, its cells, and why it cannot be read."""
    reader = csv.reader(text, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, [], f"The row is not valid CSV: {error}."
            continue
        if bad := text.not_utf8(line, reader.line_num):
            yield line, cells, f"The line is not UTF-8 (byte {bad} of it); save the file as UTF-8."
        elif any(cells) or len(cells) > 1:
            yield line, cells, ""


class _Text:
    """The lines of a body as text; remembers those that are not UTF-8 until they are asked for."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._lines, self._line = lines(pieces), 0
        self._bad: dict[int, int] = {}

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._line += 1
        try:
            return line.decode() + "\n"
        except UnicodeDecodeError as refused:
            self._bad[self._line] = refused.start + 1
            return line.decode(errors="replace") + "\n"

    def not_utf8(self, first: int, last: int) -> int | None:
        """The first byte that is none of UTF-8's in these lines, counted from 1 in its line."""
        if not self._bad:
            return None
        found = [self._bad.pop(line) for line in range(first, last + 1) if line in self._bad]
        return found[0] if found else None
