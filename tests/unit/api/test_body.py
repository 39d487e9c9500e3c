"""A JSON document in a body: plain or zipped, and where it stops being one."""

from __future__ import annotations

import gzip

import pytest

from api.schemas.body import RequestBody, parse_json
from shared.errors import BodyTooLarge, InvalidInput


def zipped(data: bytes, limit: int = 1000) -> RequestBody:
    return RequestBody(bytearray(gzip.compress(data)), True, limit)


def test_plain_and_zipped_say_the_same() -> None:
    document = b'{"inputs": [1, 2.5, "x"]}'
    assert RequestBody(bytearray(document), False, 1000).json() == zipped(document).json()


def test_the_limit_counts_for_what_comes_out_of_a_zip() -> None:
    assert zipped(b'"' + b"x" * 998 + b'"').json() == "x" * 998
    with pytest.raises(BodyTooLarge, match="1,000 bytes once unzipped"):
        zipped(b'"' + b"x" * 999 + b'"').json()


def test_a_zip_that_ends_too_early_is_refused() -> None:
    whole = gzip.compress(b"{}" * 100)
    with pytest.raises(InvalidInput, match="too early"):
        RequestBody(bytearray(whole[:-9]), True, 1000).json()


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b'{"a": 1,}', "line 1, column 8"),
        (b'{\n  "a": nul\n}', "line 2"),
        (b'{"a": Infinity}', "line 1"),
        (b'{"a": "\xff"}', "not valid JSON"),
    ],
)
def test_a_malformed_document_is_refused_with_its_place(text: bytes, where: str) -> None:
    with pytest.raises(InvalidInput, match=where):
        parse_json(text)
