"""Bytes on their way into a file: carried on after a break, compared with their digest, then in place."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path

from genequeue.client.calls import Answer, Call, Steps, Waits, once
from genequeue.client.errors import DownloadDamaged, RequestFailed, ServerAway

_RANGE_NOT_SATISFIABLE = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
_SHA256 = "sha-256=:"


class Partial:
    """A file that is not whole yet, beside the place where it will be; `told` hears of its bytes."""

    def __init__(self, target: Path, told: Callable[[int, int], None]) -> None:
        self.path = target.with_name(f".{target.name}.partial")
        self._target, self._told = target, told
        self.etag: str | None = None
        self._done = self._total = 0

    @property
    def size(self) -> int:
        """How much of it is there."""
        return self.path.stat().st_size if self.path.exists() else 0

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """A range goes behind what is there; a whole answer begins anew."""
        if status != HTTPStatus.PARTIAL_CONTENT:
            self.forget()
        self._done = self.size
        length = headers.get("content-length")
        packed = "content-encoding" in headers
        self._total = self._done + int(length) if length and not packed else 0
        self.etag = headers.get("etag")

    def write(self, piece: bytes) -> None:
        """The next bytes."""
        with self.path.open("ab") as file:
            file.write(piece)
        self._done += len(piece)
        self._told(self._done, self._total)

    def forget(self) -> None:
        """Begin at nothing."""
        self.path.unlink(missing_ok=True)

    def is_whole(self, sha256: str) -> bool:
        """Whether all of it was there before."""
        return self.path.exists() and sha256_of(self.path) == sha256

    def put_in_place(self, sha256: str | None) -> None:
        """It is whole. Raises DownloadDamaged if it is not what it should be, and forgets it."""
        self.path.touch()
        if sha256 is not None and sha256_of(self.path) != sha256:
            self.forget()
            raise DownloadDamaged(
                f"{self._target.name} came damaged: its SHA-256 is not {sha256}. Try again."
            )
        self.path.replace(self._target)


@dataclass(frozen=True, slots=True)
class Download:
    """What to fetch, and where to; `sha256` in hexadecimal, if it is known beforehand.

    Bytes that are there already are believed only where a digest is known.
    """

    call: Call
    target: Path
    sha256: str | None = None
    told: Callable[[int, int], None] = lambda _, __: None

    def steps(self) -> Steps[Answer]:
        """Fetch the file; the answer that brought the last of it. Raises RequestFailed, DownloadDamaged.

        An answer other than 200 or 206 is handed back, and changes no file.
        """
        partial, waits = Partial(self.target, self.told), Waits()
        self.target.parent.mkdir(parents=True, exist_ok=True)
        if self.sha256 is None:
            partial.forget()
        if self.sha256 is not None and partial.is_whole(self.sha256):
            partial.put_in_place(None)
            return Answer(HTTPStatus.OK, {}, b"")
        while True:
            before = partial.size
            try:
                answer = yield from once(self._call(partial))
                break
            except ServerAway as away:
                if partial.size > before:
                    waits.succeeded()
                yield from waits.before_next(away)
            except RequestFailed as failed:
                # All of it was there, or what is there belongs to something else.
                if not failed.refusal or failed.refusal.status != _RANGE_NOT_SATISFIABLE:
                    raise
                partial.forget()
        if answer.status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            partial.put_in_place(self.sha256 or repr_digest(answer.headers))
        return answer

    def _call(self, partial: Partial) -> Call:
        resumable = self.sha256 is not None or partial.etag is not None
        if not (resumable and partial.size):
            return replace(self.call, sink=partial)
        headers = {**self.call.headers, "Range": f"bytes={partial.size}-"}
        if partial.etag:
            headers["If-Range"] = partial.etag
        return replace(self.call, sink=partial, headers=headers)


def repr_digest(headers: Mapping[str, str]) -> str | None:
    """The SHA-256 of `Repr-Digest` (RFC 9530) in hexadecimal; None where there is none that can be read."""
    for entry in headers.get("repr-digest", "").split(","):
        if entry.strip().startswith(_SHA256):
            try:
                return b64decode(entry.strip().removeprefix(_SHA256).rstrip(":"), validate=True).hex()
            except NotBase64:
                return None
    return None


def sha256_of(path: Path) -> str:
    """The digest of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
