"""Large bodies on their way in: into the storage, piece by piece, as they arrive. Knows no rows."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import suppress
from functools import partial
from hashlib import sha256
from typing import IO
from uuid import UUID, uuid4

from starlette.concurrency import run_in_threadpool

from shared.database.tables import Upload
from shared.errors import BodyTooLarge, StorageUnavailable, UploadElsewhere
from shared.sheets.body import (
    PIECE_BYTES,
    Packing,
    body_pieces,
    piece_key,
    too_large,
    upload_prefix,
)
from shared.sheets.sent import Format, SentFile, format_of
from shared.storage.port import Storage

_READ_AT_ONCE = 1 << 20


async def store_body(
    pieces: AsyncIterator[bytes], storage: Storage, format_: Format | None, packing: Packing
) -> SentFile:
    """The file that a body is; it lies in the storage until it is done with.

    Nothing stays of one that is refused on the way; what a process leaves that dies is swept later. Raises
    StorageUnavailable, and what reading the body raises.
    """
    upload_id, digest = uuid4(), sha256()
    length, held = 0, bytearray()

    def store(first: int, data: bytes) -> None:
        digest.update(data)
        storage.put(piece_key(upload_id, first), data)

    done = partial(_removed, storage, upload_id)
    try:
        async for piece in pieces:
            held += piece
            while len(held) >= PIECE_BYTES:
                full, held = bytes(memoryview(held)[:PIECE_BYTES]), held[PIECE_BYTES:]
                await run_in_threadpool(store, length, full)
                length += PIECE_BYTES
        if held:
            await run_in_threadpool(store, length, bytes(held))
            length += len(held)
    except Exception:
        await run_in_threadpool(done)
        raise
    return SentFile(
        pieces=partial(body_pieces, storage, upload_id, length),
        sha256=digest.hexdigest(),
        format=format_,
        packing=packing,
        done=done,
    )


def _removed(storage: Storage, upload_id: UUID) -> None:
    """Remove a body. Where the storage is away, it is swept later: its query is answered all the same."""
    with suppress(StorageUnavailable):
        storage.delete_all(upload_prefix(upload_id))


def file_on_disk(file: IO[bytes], format_: Format | None) -> SentFile:
    """The file that a form holds, which lies on disk already. Blocks: for a thread."""
    digest = sha256()
    for piece in _read(file):
        digest.update(piece)
    return SentFile(partial(_read, file), digest.hexdigest(), format_)


def file_of_upload(upload: Upload, storage: Storage) -> SentFile:
    """The file that an upload is; it stays for its time. Raises UploadElsewhere where it is unfinished."""
    if upload.received != upload.length:
        raise UploadElsewhere(
            f"Upload {upload.id} has {upload.received:,} of {upload.length:,} bytes; finish it first."
        )
    return SentFile(
        pieces=partial(body_pieces, storage, upload.id, upload.length),
        sha256=str(upload.id),  # nothing else is ever under that id
        format=format_of(upload.media_type, upload.file_name),
    )


async def within(pieces: AsyncIterator[bytes], limit: int) -> AsyncGenerator[bytes, None]:
    """The same pieces. Raises BodyTooLarge beyond so many bytes."""
    length = 0
    async for piece in pieces:
        length += len(piece)
        if length > limit:
            raise BodyTooLarge(too_large(f"has more than {limit:,} bytes", limit))
        yield piece


def _read(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    while piece := file.read(_READ_AT_ONCE):
        yield piece
