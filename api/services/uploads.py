"""Uploads that can be carried on: pieces go into the storage, and the row says up to where they count.

A piece is written while its row is held, so that two writers at one place never mix. Where the process dies
between the two, the row did not move, and whoever comes next writes the same object again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.concurrency import run_in_threadpool

from api.services.respite import Respite
from shared.database.engines import async_transaction
from shared.database.queries import uploads
from shared.database.tables import Upload
from shared.errors import InvalidInput, UploadElsewhere, UploadGone, UploadNotFound, UploadsFull
from shared.sheets.body import piece_key, upload_prefix
from shared.storage.port import Storage

# A connection is held while a piece is written: where the storage hangs, most are left for everybody else.
_WRITING_AT_ONCE = 3


@dataclass(frozen=True, slots=True)
class Room:
    """What one workspace may keep at a time: uploads, whole or not, and their bytes as announced."""

    uploads: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Uploads:
    """The uploads of every workspace; one is kept for `lifetime` after it was touched."""

    engine: AsyncEngine
    storage: Storage
    lifetime: timedelta
    limit: int  # bytes of one upload
    room: Room
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_WRITING_AT_ONCE))

    async def begin(self, workspace_id: int, announced: Mapping[str, Any]) -> Upload:
        """A new upload, of which all that was announced is known. Raises UploadsFull, DatabaseUnavailable.

        Several that are begun at one moment may go over a bound by as many.
        """
        values = {**announced, "workspace_id": workspace_id}
        async with async_transaction(self.engine) as session:
            kept, size, next_end = (await session.execute(uploads.kept_uploads(workspace_id))).one()
            if kept >= self.room.uploads:
                raise UploadsFull(
                    f"This workspace keeps {kept:,} uploads already; the most is {self.room.uploads:,} "
                    f"(GENEQUEUE_WORKSPACE_UPLOADS). {_make_room(next_end)}"
                )
            if values["length"] > self.room.bytes:
                raise InvalidInput(
                    f"Upload-Length is {values['length']:,} bytes; a workspace keeps {self.room.bytes:,} at "
                    "most (GENEQUEUE_WORKSPACE_UPLOAD_BYTES). Send the rows as several queries."
                )
            if size + values["length"] > self.room.bytes:
                raise UploadsFull(
                    f"This workspace keeps {kept:,} uploads of {size:,} bytes; with the {values['length']:,} "
                    f"of this one they would be more than {self.room.bytes:,} "
                    f"(GENEQUEUE_WORKSPACE_UPLOAD_BYTES). {_make_room(next_end)}"
                )
            return (await session.scalars(uploads.save_upload(values, self.lifetime))).one()

    async def find(self, written_id: str, workspace_id: int) -> Upload:
        """An upload of a workspace. Raises UploadNotFound and UploadGone."""
        async with async_transaction(self.engine) as session:
            statement = _asked(uploads.upload_of_workspace, written_id, workspace_id)
            return _alive(written_id, (await session.execute(statement)).one_or_none())

    async def use(self, written_id: str, workspace_id: int) -> Upload:
        """The same, of which something is going to be made now: it is kept as long as a new one."""
        async with async_transaction(self.engine) as session:
            statement = _asked(uploads.upload_of_workspace, written_id, workspace_id)
            upload = _alive(written_id, (await session.execute(statement)).one_or_none())
            await session.execute(uploads.touch_upload(upload.id, self.lifetime))
        return upload

    async def append(self, upload: Upload, piece: bytes, respite: Respite) -> Upload:
        """Store a piece behind what is there of an upload, as it is known; the upload as it is then.

        Raises UploadElsewhere where somebody else was faster, UploadNotFound, UploadGone and Unavailable.
        """
        return await respite.ride_out(lambda again: self._append(upload, piece, again=again))

    async def _append(self, upload: Upload, piece: bytes, *, again: bool) -> Upload:
        async with self._turns, async_transaction(self.engine) as session:
            statement = uploads.hold_upload(upload.id, upload.workspace_id)
            found = _alive(str(upload.id), (await session.execute(statement)).one_or_none())
            if again and found.received == upload.received + len(piece):
                return found  # It was saved, and only the answer was lost.
            if found.received != upload.received:
                raise UploadElsewhere(elsewhere(upload.received, found))
            key = piece_key(upload.id, upload.received)
            await run_in_threadpool(self.storage.put, key, piece)
            moved = uploads.carry_on(upload.id, upload.received, len(piece), self.lifetime)
            return (await session.scalars(moved, execution_options={"populate_existing": True})).one()

    async def end(self, written_id: str, workspace_id: int) -> None:
        """Remove an upload: its row, then its pieces; what is left where that breaks off is swept.

        Raises UploadNotFound, UploadGone and Unavailable.
        """
        async with async_transaction(self.engine) as session:
            statement = _asked(uploads.hold_upload, written_id, workspace_id)
            upload = _alive(written_id, (await session.execute(statement)).one_or_none())
            await session.execute(uploads.forget_upload(upload.id))
        await run_in_threadpool(self.storage.delete_all, upload_prefix(upload.id))


def elsewhere(offset: int, upload: Upload) -> str:
    """That bytes do not begin where those before them ended."""
    return (
        f"The bytes begin at {offset:,}, and {upload.received:,} bytes of upload {upload.id} are there. Ask "
        "for its Upload-Offset with HEAD, and go on from it."
    )


def _make_room(next_end: datetime | None) -> str:
    waits = (
        f", or wait until the next is deleted, at {next_end.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        if next_end
        else ""
    )
    return f"End those that no query needs any more with DELETE /api/uploads/<id>{waits}."


def _asked(
    statement: Callable[[UUID, int], Select[Upload, bool]], written_id: str, workspace_id: int
) -> Select[Upload, bool]:
    try:
        return statement(UUID(written_id), workspace_id)
    except ValueError:
        raise UploadNotFound(_not_found(written_id)) from None


def _alive(written_id: str, found: tuple[Upload, bool] | None) -> Upload:
    if found is None:
        raise UploadNotFound(_not_found(written_id))
    upload, over = found
    if over:
        raise UploadGone(f"Upload {upload.id} is over: nobody went on with it in time. Begin a new one.")
    return upload


def _not_found(written_id: str) -> str:
    return f"There is no upload {written_id[:60]!r} in this workspace."
