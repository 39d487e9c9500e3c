"""What the headers of a submit ask for: one job per key, an answer that waits, a time to give up."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

from shared.errors import Fault, InvalidInput

LONGEST_WAIT = timedelta(seconds=60)
_LATEST = timedelta(days=365)
# A string of RFC 9651, or its content without the quotes.
_KEY = re.compile(r'"([ !#-\[\]-~]{1,255})"|([!#-\[\]-~]{1,255})')
_WAIT = re.compile(r'wait\s*=\s*"?(\d{1,9})"?', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a caller wants besides the query; None for what was not asked for."""

    key: str | None = None
    wait: timedelta | None = None
    cancel_after: timedelta | None = None


def read_wishes(key: str | None, prefer: str | None, cancel_after: str | None) -> Wishes:
    """The wishes of three headers. Raises InvalidInput, with every fault."""
    faults = []
    if key is not None and not _KEY.fullmatch(key):
        faults.append(
            Fault("Idempotency-Key", "It must be 1 to 255 printable ASCII characters, such as a UUID.")
        )
    if cancel_after is not None and _seconds(cancel_after) is None:
        faults.append(
            Fault(
                "Cancel-After",
                f"{cancel_after[:60]!r} is not a number of seconds from 1 to {_LATEST.total_seconds():.0f}.",
            )
        )
    if faults:
        summary = f"The request was rejected. {faults[0].path}: {faults[0].message}"
        raise InvalidInput(summary, tuple(faults))
    return Wishes(_bare(key), _wait(prefer or ""), _seconds(cancel_after or ""))


def _bare(key: str | None) -> str | None:
    found = _KEY.fullmatch(key) if key else None
    return (found[1] or found[2]) if found else None


def _wait(prefer: str) -> timedelta | None:
    """The wait among the preferences, as far as it is granted; what is not understood is no fault there."""
    for preference in prefer.split(","):
        if found := _WAIT.fullmatch(preference.split(";")[0].strip()):
            return min(timedelta(seconds=int(found[1])), LONGEST_WAIT)
    return None


def _seconds(written: str) -> timedelta | None:
    if not re.fullmatch(r"\d{1,9}", written.strip(), re.ASCII):
        return None
    length = timedelta(seconds=int(written))
    return length if timedelta(seconds=1) <= length <= _LATEST else None
