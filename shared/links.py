"""Signed download links: an HMAC over the job and the time until which the link holds. Knows no HTTP."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from shared.errors import LinkRejected

_REMEDY = "Ask for the query's status again: each answer holds a fresh link."


@dataclass(frozen=True, slots=True)
class LinkSigner:
    """Signs and checks links with one secret; `clock` gives seconds since the epoch."""

    secret: bytes = field(repr=False)
    lifetime: timedelta
    clock: Callable[[], float] = time.time

    def path(self, job_id: UUID) -> str:
        """The path and query string of a fresh link to a job's result."""
        expires = str(int(self.clock() + self.lifetime.total_seconds()))
        return f"/api/downloads/{job_id}?expires={expires}&signature={self._sign(job_id, expires)}"

    def check(self, job_id: UUID, expires: str, signature: str) -> None:
        """Raises LinkRejected for a link that was altered, or whose time is over."""
        if not hmac.compare_digest(self._sign(job_id, expires).encode(), signature.encode()):
            raise LinkRejected(
                f"The signature of this download link does not match: it was altered. {_REMEDY}"
            )
        if int(expires) < self.clock():
            raise LinkRejected(f"This download link has expired. {_REMEDY}")

    def _sign(self, job_id: UUID, expires: str) -> str:
        message = f"download\n{job_id}\n{expires}".encode()
        return hmac.new(self.secret, message, hashlib.sha256).hexdigest()
