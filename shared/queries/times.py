"""Reads times: a moment with its zone, a duration. Raises InvalidInput, with the rule."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from shared.errors import InvalidInput
from shared.queries.faults import shown

_DURATION = re.compile(
    r"P(?=.)(?:(?P<weeks>\d{1,4})W|(?:(?P<days>\d{1,5})D)?"
    r"(?:T(?=.)(?:(?P<hours>\d{1,6})H)?(?:(?P<minutes>\d{1,8})M)?(?:(?P<seconds>\d{1,9})S)?)?)"
)


def moment(value: object) -> datetime:
    """An ISO 8601 moment that says its zone; in UTC."""
    try:
        read = datetime.fromisoformat(value) if isinstance(value, str) else None
        moved = None if read is None or read.utcoffset() is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        moved = None
    if moved is None:
        raise InvalidInput(
            f"{shown(value)} is not a moment with a zone in ISO 8601, such as 2030-01-31T18:00:00Z."
        )
    return moved


def duration(value: object, shortest: timedelta, longest: timedelta) -> timedelta:
    """A duration in ISO 8601 or in whole seconds. Months and years are refused: they vary."""
    read = _duration(value)
    if read is not None and shortest <= read <= longest:
        return read
    raise InvalidInput(
        f"{shown(value)} is not a duration from {iso(shortest)} to {iso(longest)}. Write it in ISO 8601 "
        "with weeks, days, hours, minutes or seconds, such as P7D or PT12H, or as a number of seconds."
    )


def iso(length: timedelta) -> str:
    """A duration of whole seconds in ISO 8601."""
    if length.seconds == 0:
        return f"P{length.days}D"
    return f"PT{length.total_seconds() / 3600:g}H"


def _duration(value: object) -> timedelta | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return timedelta(seconds=value) if 0 <= value < 1e9 else None
    found = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        return None
    return timedelta(**{unit: int(number) for unit, number in found.groupdict().items() if number})
