"""Results on their way out: gzip only for those who read it, and no trailer after a failure."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator

import pytest

from api.schemas.streams import accepts_gzip, gzipped


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("gzip", True),
        ("gzip, deflate", True),
        ("deflate, GZIP;q=0.5", True),
        ("gzip;q=1.0", True),
        ("gzip; q=0.05", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("x-gzip-like", False),
    ],
)
def test_gzip_is_used_where_the_header_names_it(header: str, accepted: bool) -> None:
    assert accepts_gzip(header) is accepted


def test_the_stream_unzips_to_what_was_sent() -> None:
    pieces = [b"a" * 1000, b"", b"bc" * 50_000]
    assert gzip.decompress(b"".join(gzipped(pieces))) == b"".join(pieces)


def test_a_stream_that_breaks_off_has_no_trailer() -> None:
    def breaking() -> Iterator[bytes]:
        yield b"a" * 100_000
        raise OSError("gone")

    received: list[bytes] = []
    with pytest.raises(OSError, match="gone"):
        received.extend(gzipped(breaking()))
    reader = zlib.decompressobj(wbits=31)
    reader.decompress(b"".join(received))
    assert not reader.eof
