"""One row of what was sent, whatever the form it was sent in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from shared.errors import Fault


class Origin(Protocol):
    """What a row was made of, which may have spoiled other rows as well."""

    def fault(self, pointer: str, message: str) -> Fault:
        """A fault of the row at the place where it comes from; of all rows that it spoils, the same."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row by its number, from 0; the line where it begins, from 1, if it has one; and its input, in JSON.

    `fault` says why there is no input; "" where there is one. `origin` is None for a row that was written.
    """

    number: int
    line: int | None
    item: object
    fault: str = ""
    origin: Origin | None = None
