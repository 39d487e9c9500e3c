"""Rows of NDJSON: an input of a query on each line, as JSON. Blank lines are no rows."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from shared.errors import InvalidInput
from shared.sheets.row import Row

LONGEST_LINE = 16 << 20  # bytes: 44,592 counts are some 300,000
_CUT_AT_ONCE = 1 << 18
_BOM = b"\xef\xbb\xbf"


def read_ndjson(pieces: Iterator[bytes], num_samples: int | None) -> Iterator[Row]:
    """The rows of a body; `num_samples` is for inputs that do not say it. Raises InvalidInput."""
    number = 0
    for line, text in enumerate(lines(pieces), 1):
        if not text or text.isspace():
            continue
        try:
            item = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            yield Row(number, line, None, _not_json(text, error))
        else:
            if num_samples is not None and isinstance(item, dict):
                item.setdefault("num_samples", num_samples)
            yield Row(number, line, item)
        number += 1


def lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The lines of a body without their ends, its byte order mark left out.

    Raises InvalidInput for a line that is too long to be one.
    """
    rest, first = b"", True
    for piece in _smaller(pieces):
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line.removeprefix(_BOM) if first else line
            first = False
        if len(rest) > LONGEST_LINE:
            raise InvalidInput(
                f"The body has a line of more than {LONGEST_LINE:,} bytes; write each row on its own line."
            )
    if rest:
        yield rest.removeprefix(_BOM) if first else rest


def _smaller(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes: a piece cut into lines takes several times its size."""
    for piece in pieces:
        for first in range(0, len(piece), _CUT_AT_ONCE):
            yield piece[first : first + _CUT_AT_ONCE]


def _not_json(text: bytes, error: orjson.JSONDecodeError) -> str:
    try:
        text.decode()
    except UnicodeDecodeError as refused:
        return f"The line is not UTF-8 (byte {refused.start + 1} of it); write the file as UTF-8."
    said = error.msg[:1].lower() + error.msg[1:]
    return f"The line is not valid JSON: {said} (column {error.colno})."
