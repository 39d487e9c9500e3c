"""The two lanes: who waits at a screen goes first, and a large batch is never starved. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

_BULK_EVERY = 4


class Lane(StrEnum):
    """How urgent a job is."""

    INTERACTIVE = "interactive"  # somebody waits for it
    BULK = "bulk"  # runs in the room that the others leave, and never in none


@dataclass(frozen=True, slots=True)
class Turn:
    """Which lane a claim prefers; what has waited longer than `patience` goes first in any case."""

    first: Lane = Lane.INTERACTIVE
    patience: timedelta = timedelta(minutes=5)

    @classmethod
    def of(cls, claims: int, patience: timedelta) -> Turn:
        """The turn of a worker that has claimed so many times: every fourth is the bulk lane's."""
        bulk = claims % _BULK_EVERY == _BULK_EVERY - 1
        return cls(Lane.BULK if bulk else Lane.INTERACTIVE, patience)
