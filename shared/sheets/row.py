"""One row of what was sent, whatever the form it was sent in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """A row by its number, from 0; the line where it begins, from 1; and its input, as JSON would say it.

    `fault` says why there is no input; "" where there is one.
    """

    number: int
    line: int
    item: object
    fault: str = ""
