"""Signed links: an HMAC over what is linked and the time until which the link holds. Knows no HTTP."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from shared.errors import LinkRejected

_DOWNLOADS = "/api/downloads"


@dataclass(frozen=True, slots=True)
class Linked:
    """What a link leads to: its path, the text that is signed for it, and who gives a fresh link."""

    path: str
    signed: str
    fresh: str


def result(job_id: UUID) -> Linked:
    """The whole result of a job, as the public clients read it."""
    fresh = "Ask for the query's status again: each answer holds a fresh link."
    return Linked(f"{_DOWNLOADS}/{job_id}", f"download\n{job_id}", fresh)


def part(job_id: UUID, position: int) -> Linked:
    """One stored part of a result."""
    fresh = f"Ask for GET /api/model-queries/{job_id}/parts again: each answer holds fresh links."
    return Linked(f"{_DOWNLOADS}/{job_id}/parts/{position}", f"part\n{job_id}\n{position}", fresh)


def artifact(artifact_id: UUID) -> Linked:
    """A file that was made of a result."""
    fresh = "Ask for the file of the query again: each answer holds a fresh link."
    return Linked(f"{_DOWNLOADS}/artifacts/{artifact_id}", f"artifact\n{artifact_id}", fresh)


def report(report_id: UUID) -> Linked:
    """All that was wrong with the rows of a large query."""
    fresh = "Ask for the query again, if it ran; else send it again: each answer holds a fresh link."
    return Linked(f"{_DOWNLOADS}/reports/{report_id}", f"report\n{report_id}", fresh)


@dataclass(frozen=True, slots=True)
class LinkSigner:
    """Signs and checks links with one secret; `clock` gives seconds since the epoch."""

    secret: bytes = field(repr=False)
    lifetime: timedelta
    clock: Callable[[], float] = time.time

    def path(self, linked: Linked, lifetime: timedelta | None = None) -> str:
        """The path and query string of a fresh link; it holds for the usual time where none is given."""
        expires = str(int(self.clock() + (lifetime or self.lifetime).total_seconds()))
        return f"{linked.path}?expires={expires}&signature={self._sign(linked, expires)}"

    def check(self, linked: Linked, expires: str, signature: str) -> None:
        """Raises LinkRejected for a link that was altered, or whose time is over."""
        if not hmac.compare_digest(self._sign(linked, expires).encode(), signature.encode()):
            raise LinkRejected(
                f"The signature of this download link does not match: it was altered. {linked.fresh}"
            )
        if int(expires) < self.clock():
            raise LinkRejected(f"This download link has expired. {linked.fresh}")

    def _sign(self, linked: Linked, expires: str) -> str:
        message = f"{linked.signed}\n{expires}".encode()
        return hmac.new(self.secret, message, hashlib.sha256).hexdigest()
