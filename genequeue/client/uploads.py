"""Sending a large file so that it can be carried on: the tus protocol, version 1.0.0.

https://tus.io/protocols/resumable-upload
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress

from genequeue.client.calls import Call, Stage, Steps, Tell, Told, Waits, ask, once
from genequeue.client.errors import Conflicting, Gone, NotThere, RequestFailed
from genequeue.client.submissions import Rows

_VERSION = {"Tus-Resumable": "1.0.0"}
_ROUTE = "/api/uploads"
_PIECE = 8 << 20


def upload(rows: Rows, begun: str | None, began: Callable[[str], None], tell: Tell) -> Steps[str]:
    """Send the bytes, behind those that the upload `begun` has; the upload's id.

    A new upload is made where that one is not there any more; `began` is told its id before any byte is
    sent. Raises RequestFailed.
    """
    sent = (yield from _offset(begun)) if begun else None
    if begun is None or sent is None:
        begun, sent = (yield from _create(rows)), 0
        began(begun)
    waits = Waits()
    while sent < rows.size:
        tell(Told(Stage.UPLOAD, sent, rows.size))
        try:
            sent = yield from _append(begun, sent, rows.read(sent, _PIECE))
            waits.succeeded()
        except RequestFailed as failed:
            if not (failed.retryable or isinstance(failed, Conflicting)):
                raise
            yield from waits.before_next(failed)
            sent = yield from _known_offset(begun)
    tell(Told(Stage.UPLOAD, sent, rows.size))
    return begun


def end(upload_id: str | None) -> Steps[None]:
    """Have its bytes removed: nobody needs them any more. Where that fails, they are swept a day later."""
    if upload_id is not None:
        with suppress(RequestFailed):
            yield from once(Call("DELETE", f"{_ROUTE}/{upload_id}", headers=_VERSION))


def _create(rows: Rows) -> Steps[str]:
    kept = {"filename": rows.name, "filetype": rows.media_type}
    metadata = ",".join(f"{name} {b64encode(value.encode()).decode()}" for name, value in kept.items())
    headers = {**_VERSION, "Upload-Length": str(rows.size), "Upload-Metadata": metadata}
    # Two of them do no harm: the one that nobody goes on with is swept.
    answer = yield from ask(Call("POST", _ROUTE, headers=headers))
    return answer.headers["location"].rstrip("/").rpartition("/")[2]


def _append(upload_id: str, sent: int, piece: bytes) -> Steps[int]:
    headers = {**_VERSION, "Upload-Offset": str(sent), "Content-Type": "application/offset+octet-stream"}
    answer = yield from once(Call("PATCH", f"{_ROUTE}/{upload_id}", content=piece, headers=headers))
    return int(answer.headers["upload-offset"])


def _offset(upload_id: str) -> Steps[int | None]:
    """How much of an upload is there; None if the upload itself is not."""
    try:
        return (yield from _known_offset(upload_id))
    except (NotThere, Gone):
        return None


def _known_offset(upload_id: str) -> Steps[int]:
    answer = yield from ask(Call("HEAD", f"{_ROUTE}/{upload_id}", headers=_VERSION))
    return int(answer.headers["upload-offset"])
