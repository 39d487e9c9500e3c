"""What a request for bytes says in its headers: which of them it wants, and which it has (RFC 9110, 13, 14).

Knows no storage. More than one range, and what cannot be read, is ignored, as the RFC allows: all is sent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from shared.errors import RangeUnsatisfiable

_RANGE = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*")


@dataclass(frozen=True, slots=True)
class Span:
    """Some consecutive bytes of a file of `size` bytes."""

    first: int
    length: int
    size: int

    @property
    def content_range(self) -> str:
        """As the header Content-Range says it."""
        return f"bytes {self.first}-{self.first + self.length - 1}/{self.size}"


def span_of(header: str, size: int) -> Span | None:
    """The bytes that a Range header asks for; None where it asks for all. Raises RangeUnsatisfiable."""
    found = _RANGE.fullmatch(header.strip())
    if found is None or found.groups() == ("", ""):
        return None
    first, last = ((int(number) if number else None) for number in found.groups())
    if first is None:
        first, last = max(size - (last or 0), 0), size - 1
    elif last is not None and last < first:
        return None
    if first >= size:
        raise RangeUnsatisfiable(
            f"The range {header.strip()!r} lies beyond the end of the file, which has {size:,} bytes.", size
        )
    return Span(first, min(size - 1 if last is None else last, size - 1) - first + 1, size)


def has_already(if_none_match: str, etag: str) -> bool:
    """Whether an If-None-Match header names this entity tag, or any."""
    named = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return bool(named & {etag, "*"})
