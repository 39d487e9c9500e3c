"""One attempt: the bytes go out, and what came back is a value. Nothing is followed, reused or retried."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpcore
import httpx

from shared.errors import DestinationRefused
from shared.webhooks.destinations import Rules, Target
from shared.webhooks.schedule import Answer
from worker.webhooks.connection import CheckedBackend
from worker.webhooks.resolving import Resolver, SystemResolver

CONNECT = timedelta(seconds=5)
TOTAL = timedelta(seconds=15)
_READING = timedelta(seconds=1)  # of that, for the excerpt
_EXCERPT_BYTES = 1_024
_USUAL = {"content-type": "application/json", "connection": "close", "user-agent": "GeneQueue-Webhooks/1"}
_REDIRECTS = range(300, 400)
_MOVED = "Redirects are not followed: register the address that it leads to."


@dataclass(frozen=True, slots=True)
class Attempt:
    """How it went: what was answered, or why nothing was, in a sentence; and how the answer begins."""

    answer: Answer
    took: timedelta
    error: str | None = None
    excerpt: str | None = None


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends bodies to URLs, under the rules of this deployment."""

    rules: Rules
    resolve: Resolver = field(default_factory=SystemResolver)
    connect: timedelta = CONNECT
    total: timedelta = TOTAL
    tls: ssl.SSLContext = field(default_factory=httpx.create_ssl_context)

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Attempt:
        """Post a body once. Whatever goes wrong is in the value."""
        began = time.monotonic()
        try:
            answer, excerpt = await self._post(Target.read(url), headers, body)
        except Exception as error:  # noqa: BLE001 - the edge: whatever a network does is an attempt that failed
            return Attempt(Answer(None), _since(began), self._sentence(error))
        moved = _MOVED if answer.status in _REDIRECTS else None
        return Attempt(answer, _since(began), moved, excerpt)

    async def _post(self, target: Target, headers: Mapping[str, str], body: bytes) -> tuple[Answer, str]:
        # A connection of its own: the next attempt resolves and checks again.
        backend = CheckedBackend(target, self.rules, self.resolve)
        request = _request(target, headers, body, self.connect)
        async with httpcore.AsyncHTTPConnection(
            request.url.origin, self.tls, network_backend=backend
        ) as connection:
            async with asyncio.timeout((self.total - _READING).total_seconds()):
                response = await connection.handle_async_request(request)
            try:
                answered = {name.lower(): value for name, value in response.headers}
                return Answer(response.status, _wish(answered.get(b"retry-after"))), await _excerpt(response)
            finally:
                await response.aclose()

    def _sentence(self, error: Exception) -> str:
        """Why there was no answer."""
        match error:
            case DestinationRefused():
                return str(error)
            case TimeoutError() | httpcore.ReadTimeout() | httpcore.WriteTimeout():
                return f"It did not answer within {self.total.total_seconds():.0f} s."
            case httpcore.ConnectTimeout():
                return f"No connection within {self.connect.total_seconds():.0f} s."
            case httpcore.ConnectError():
                return f"No connection: {error}."
            case httpcore.RemoteProtocolError() | httpcore.NetworkError():
                return f"The connection broke before an answer: {error}."
            case OSError():
                return f"The name was not found: {error.strerror or error}."
            case _:
                return f"It could not be sent ({type(error).__name__})."


def _request(target: Target, headers: Mapping[str, str], body: bytes, connect: timedelta) -> httpcore.Request:
    scheme = "https" if target.tls else "http"
    return httpcore.Request(
        "POST",
        httpcore.URL(scheme=scheme, host=target.host, port=target.port, target=target.path),
        headers=list(
            {**_USUAL, "host": target.authority, "content-length": str(len(body)), **headers}.items()
        ),
        content=body,
        extensions={"timeout": {"connect": connect.total_seconds()}},
    )


async def _excerpt(response: httpcore.Response) -> str:
    """How the body begins; one that does not come changes nothing about the status."""
    read = b""
    try:
        async with asyncio.timeout(_READING.total_seconds()):
            async for some in response.aiter_stream():
                read += some
                if len(read) >= _EXCERPT_BYTES:
                    break
    except (httpcore.NetworkError, httpcore.ProtocolError, TimeoutError):
        pass
    # Postgres keeps no NUL in a text.
    return read[:_EXCERPT_BYTES].decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")


def _wish(retry_after: bytes | None) -> timedelta | None:
    """What a Retry-After header asks for, in seconds or as a date; None for anything else."""
    text = (retry_after or b"").decode("latin-1").strip()
    if text.isdecimal() and len(text) < 10:
        return timedelta(seconds=int(text))
    try:
        return max(timedelta(), parsedate_to_datetime(text).astimezone(UTC) - datetime.now(UTC))
    except ValueError:
        return None


def _since(began: float) -> timedelta:
    return timedelta(seconds=time.monotonic() - began)
