"""Which bytes a Range header asks for, and which a caller has already."""

from __future__ import annotations

import pytest

from api.schemas.ranges import Span, has_already, span_of
from shared.errors import RangeUnsatisfiable


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-9", (0, 10)),
        ("bytes=3-5", (3, 3)),
        ("bytes=3-", (3, 7)),
        ("bytes=3-99", (3, 7)),
        ("bytes=-4", (6, 4)),
        ("bytes=-99", (0, 10)),
        (" bytes= 2-3 ", (2, 2)),
    ],
)
def test_one_range_is_read_and_ends_with_the_file(header: str, span: tuple[int, int]) -> None:
    assert span_of(header, 10) == Span(*span, 10)


@pytest.mark.parametrize(
    "header",
    ["", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-3", "bytes=0-1,4-5", "lines=0-1", "0-1"],
)
def test_what_is_no_single_range_asks_for_all(header: str) -> None:
    assert span_of(header, 10) is None


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-12", "bytes=999999999999999-", "bytes=-0"])
def test_a_range_beyond_the_end_is_refused_with_the_size(header: str) -> None:
    with pytest.raises(RangeUnsatisfiable, match="10 bytes") as refused:
        span_of(header, 10)
    assert refused.value.size == 10


def test_a_range_is_said_with_its_last_byte() -> None:
    assert Span(3, 4, 10).content_range == "bytes 3-6/10"


def test_a_tag_is_known_by_any_name() -> None:
    for header in ('"a"', 'W/"a"', '"b", "a"', "*"):
        assert has_already(header, '"a"')
    for header in ("", '"b"', "a"):
        assert not has_already(header, '"a"')
