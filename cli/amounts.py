"""Amounts as people say them."""

from __future__ import annotations

UNITS = ("B", "kB", "MB", "GB", "TB")


def size(count: int) -> str:
    """A number of bytes, as people say it."""
    power = min((len(str(max(count, 1))) - 1) // 3, len(UNITS) - 1)
    number = count / 1000**power
    return f"{number:.0f} {UNITS[power]}" if number >= 10 or power == 0 else f"{number:.1f} {UNITS[power]}"


def counted(count: int, noun: str) -> str:
    """A number of things: `1 part`, `2 parts`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
