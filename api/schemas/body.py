"""A request body on its way in: read within the limit, unzipped within it, parsed as JSON.

Knows HTTP's encodings and nothing of queries.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import Request
from starlette.concurrency import run_in_threadpool

from shared.errors import BodyTooLarge, InvalidInput

_GZIP = 16 + zlib.MAX_WBITS
_SMALL = 1 << 14  # bytes that are parsed sooner than a thread is found


@dataclass(frozen=True, slots=True)
class RequestBody:
    """The bytes as they came. Unpacking large ones takes long: for a thread."""

    data: bytearray
    zipped: bool
    limit: int

    def json(self) -> Any:
        """The document. Raises InvalidInput and, for one that unzips to more than the limit, BodyTooLarge."""
        return parse_json(_gunzip(self.data, self.limit) if self.zipped else self.data)


async def read_json(request: Request, limit: int) -> Any:
    """The document in the body, of at most `limit` bytes. Raises BodyTooLarge and InvalidInput."""
    body = await _read(request, limit)
    if body.zipped or len(body.data) > _SMALL:
        return await run_in_threadpool(body.json)
    return body.json()


async def _read(request: Request, limit: int) -> RequestBody:
    """The body as it came. Raises BodyTooLarge and InvalidInput."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"identity", "gzip"}:
        raise InvalidInput(f"Content-Encoding {encoding!r} is not read here; send the body plain or as gzip.")
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise BodyTooLarge(_too_large(f"has {int(announced):,} bytes", limit))
    data = bytearray()
    async for piece in request.stream():
        data += piece
        if len(data) > limit:
            raise BodyTooLarge(_too_large(f"has more than {limit:,} bytes", limit))
    return RequestBody(data, encoding == "gzip", limit)


def parse_json(data: bytes | bytearray) -> Any:
    """The document. Raises InvalidInput, naming the line and column where it stops being JSON."""
    if not data.strip():
        raise InvalidInput("The request body is empty; send a query as a JSON object.")
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(
            f"The request body is not valid JSON: {error.msg} (line {error.lineno}, column {error.colno})."
        ) from error


def _gunzip(data: bytearray, limit: int) -> bytes:
    unpacker = zlib.decompressobj(wbits=_GZIP)
    try:
        plain = unpacker.decompress(data, limit + 1)
    except zlib.error as error:
        raise InvalidInput(f"The request body is not valid gzip: {error}.") from error
    if len(plain) > limit:
        raise BodyTooLarge(_too_large(f"has more than {limit:,} bytes once unzipped", limit))
    if not unpacker.eof:
        raise InvalidInput("The request body is not valid gzip: it ends too early.")
    return plain


def _too_large(size: str, limit: int) -> str:
    return (
        f"The request body {size}; the limit of this server is {limit:,} bytes "
        "(GENEQUEUE_MAX_BODY_BYTES). Send the rows as a file: NDJSON, CSV or Parquet."
    )
