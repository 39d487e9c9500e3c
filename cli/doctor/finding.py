"""What an examination says: one verdict, a sentence of what was found, a sentence of remedy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Verdict(StrEnum):
    """How it stands with one thing."""

    OK = "ok"
    WARNING = "warning"  # works; look at it
    WRONG = "wrong"  # does not work, or will not for long
    UNKNOWN = "unknown"  # could not be examined, because something else is wrong


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was examined."""

    subject: str
    verdict: Verdict
    found: str
    remedy: str = ""


def ok(subject: str, found: str) -> Finding:
    """Nothing to do."""
    return Finding(subject, Verdict.OK, found)


def warning(subject: str, found: str, remedy: str) -> Finding:
    """Works; look at it."""
    return Finding(subject, Verdict.WARNING, found, remedy)


def wrong(subject: str, found: str, remedy: str) -> Finding:
    """Does not work, or will not for long."""
    return Finding(subject, Verdict.WRONG, found, remedy)


def unknown(subject: str, found: str, remedy: str) -> Finding:
    """Could not be examined."""
    return Finding(subject, Verdict.UNKNOWN, found, remedy)


def ago(time: timedelta) -> str:
    """A span of time in the unit that a person would use: 0.2 s, 14 s, 3 min, 5 h, 2 days."""
    seconds = max(time.total_seconds(), 0.0)
    if seconds < 10:
        return f"{seconds:.1f} s"
    for limit, unit, name in ((120, 1, "s"), (7_200, 60, "min"), (172_800, 3_600, "h")):
        if seconds < limit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds / 86_400:.0f} days"


def count(number: int, noun: str) -> str:
    """A number with its noun: 1 chunk, 2 chunks."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
