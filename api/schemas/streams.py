"""Results on their way out: streamed from the first byte, JSON as gzip where the client reads it.

An exception while streaming drops the connection without an end marker; a short answer never looks whole.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator

from fastapi import Request
from starlette.responses import StreamingResponse

JSON = "application/json"
# Level 1: sending must not be slower than the network it saves.
_LEVEL = 1
_GZIP = 16 + zlib.MAX_WBITS
_NEVER = re.compile(r"q=0(\.0*)?")


def stream_result(
    request: Request, pieces: Iterable[bytes], media_type: str, filename: str
) -> StreamingResponse:
    """The pieces, each computed in a thread when the client has room for it."""
    headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{filename}"'}
    if media_type == JSON:
        headers["Vary"] = "Accept-Encoding"
        if accepts_gzip(request.headers.get("accept-encoding", "")):
            headers["Content-Encoding"] = "gzip"
            pieces = gzipped(pieces)
    return StreamingResponse(pieces, headers=headers, media_type=media_type)


def accepts_gzip(header: str) -> bool:
    """Whether an Accept-Encoding header names gzip and does not weigh it 0."""
    for entry in header.lower().split(","):
        name, _, weight = entry.partition(";")
        if name.strip() == "gzip":
            return not _NEVER.fullmatch(weight.strip())
    return False


def gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes as one gzip stream; its trailer is written only after the last piece."""
    packer = zlib.compressobj(_LEVEL, wbits=_GZIP)
    for piece in pieces:
        packed = packer.compress(piece)
        if packed:
            yield packed
    yield packer.flush()
