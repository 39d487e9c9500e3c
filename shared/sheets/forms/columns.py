"""Which columns a table of inputs may have, whatever file it lies in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from shared.errors import Fault, QueryRejected
from shared.queries.faults import listed, meant, shown
from shared.queries.forms import QueryForm
from shared.queries.input_values import COUNTS, CUSTOM_ID, METADATA, NUM_SAMPLES


def columns_of(form: QueryForm) -> tuple[str, ...]:
    """The columns that a request type reads: fields of metadata, and keys of an input."""
    return (*form.fields, *(key for key in form.keys if key != METADATA))


def check_columns(names: Sequence[str], form: QueryForm, allowed: Collection[str], line: int | None) -> None:
    """Raises QueryRejected with every column that is unknown or there twice; `line` is the header's."""
    if faults := tuple(Fault(*fault, line=line) for fault in _faults(names, form, allowed)):
        raise QueryRejected(faults)


def _faults(names: Sequence[str], form: QueryForm, allowed: Collection[str]) -> Iterator[tuple[str, str]]:
    for name, number in Counter(names).items():
        if name not in allowed:
            yield f"columns.{name}" if name else "columns", _unknown(name, form, allowed)
        elif number > 1:
            yield f"columns.{name}", f"There are {number} columns {name}; keep one."
    if not names:
        yield "columns", f"There are no columns; those that are read here are {listed(allowed)}."


def _unknown(name: str, form: QueryForm, allowed: Collection[str]) -> str:
    if not name.strip():
        return "A column has no name; name it, or write the file without its index."
    if name == COUNTS and COUNTS in form.keys:
        return "counts cannot be written as CSV; send NDJSON, or Parquet with a list column counts."
    if name == METADATA:
        return "metadata is one column for each field here, such as sex; in Parquet it may be a struct."
    if name in (NUM_SAMPLES, CUSTOM_ID, COUNTS):
        return f"A query of this kind has no {name}; remove the column."
    return (
        f"There is no column {shown(name)}.{meant(name, allowed) or f' The columns are {listed(allowed)}.'}"
    )
