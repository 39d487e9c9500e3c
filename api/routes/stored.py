"""Stored files on their way out, byte for byte: parts, artifacts, reports. Whole or a range, never packed.

A file is compared with its digest while it is sent: the last piece of one that was changed is kept back, so
that the connection breaks off and nobody takes it for whole.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from itertools import chain

from fastapi import Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from api.schemas.ranges import Span, has_already, span_of
from shared.errors import ResultDamaged
from shared.storage.port import Storage


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that is never changed: where it lies, what it is, and its SHA-256 in hex where that is known."""

    key: str
    size: int
    media_type: str
    file_name: str
    sha256: str | None = None

    @property
    def etag(self) -> str:
        """A strong tag. A key is written once, so that it stands for a digest that nobody knows."""
        return f'"{self.sha256 or hashlib.sha256(self.key.encode()).hexdigest()}"'

    @property
    def headers(self) -> dict[str, str]:
        """What is said of the file whichever bytes of it are sent."""
        said = {
            "Accept-Ranges": "bytes",
            "Cache-Control": "private, no-cache, no-transform",
            "Content-Disposition": f'attachment; filename="{self.file_name}"',
            "Content-Type": self.media_type,
            "ETag": self.etag,
        }
        return said | ({"Repr-Digest": repr_digest(self.sha256)} if self.sha256 else {})


def repr_digest(sha256: str) -> str:
    """The header that says what the whole file is (RFC 9530)."""
    return f"sha-256=:{b64encode(bytes.fromhex(sha256)).decode()}:"


async def send_stored(request: Request, storage: Storage, file: StoredFile) -> Response:
    """The file, or what the request wants of it. Raises ResultDamaged, RangeUnsatisfiable, Unavailable."""
    if has_already(request.headers.get("if-none-match", ""), file.etag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=file.headers)
    if request.method == "HEAD":
        await run_in_threadpool(_check_size, storage, file)
        return Response(headers=file.headers | {"Content-Length": str(file.size)})
    if span := _wanted(request, file):
        pieces = await run_in_threadpool(_opened, _range(storage, file, span))
        headers = {"Content-Length": str(span.length), "Content-Range": span.content_range}
        return StreamingResponse(pieces, HTTPStatus.PARTIAL_CONTENT, file.headers | headers)
    whole = Span(0, file.size, file.size)
    pieces = await run_in_threadpool(_opened, _verified(_range(storage, file, whole), file))
    return StreamingResponse(pieces, headers=file.headers | {"Content-Length": str(file.size)})


def _wanted(request: Request, file: StoredFile) -> Span | None:
    """The range that is asked for, unless it goes on from bytes of another file."""
    if request.headers.get("if-range", file.etag) != file.etag:
        return None
    return span_of(request.headers.get("range", ""), file.size)


def _opened(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same pieces. The first is there already, so that what cannot be read is known before any answer."""
    return chain([next(pieces, b"")], pieces)


def _range(storage: Storage, file: StoredFile, span: Span) -> Iterator[bytes]:
    try:
        yield from storage.stream(file.key, span.first, span.length)
    except (KeyError, EOFError):
        raise ResultDamaged(_damaged(file)) from None


def _verified(pieces: Iterator[bytes], file: StoredFile) -> Iterator[bytes]:
    digest, held = hashlib.sha256(), b""
    for piece in pieces:
        digest.update(piece)
        if held:
            yield held
        held = piece
    if file.sha256 not in {None, digest.hexdigest()}:
        raise ResultDamaged(_damaged(file))
    yield held


def _check_size(storage: Storage, file: StoredFile) -> None:
    try:
        found = storage.size(file.key)
    except KeyError:
        found = None
    if found != file.size:
        raise ResultDamaged(_damaged(file))


def _damaged(file: StoredFile) -> str:
    return f"The stored file {file.file_name} is missing, or it was changed. Submit the query again."
