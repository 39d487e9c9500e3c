"""What every request passes first: tidy its path, give it an id, log one line about it. Plain ASGI."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars, clear_contextvars

from api.schemas.resumable import VERSION
from api.services.respite import Respite
from shared.metrics import REQUEST_SECONDS, SUBMITS

log = structlog.get_logger()

_HEADER = "x-request-id"
_SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
# Whatever is asked about a job, its id stands here.
_JOB = re.compile(r"/(?:model-queries|downloads)/([0-9a-fA-F-]{36})(?:/|$)")
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_UPLOADS = re.compile(r"/api/uploads(/|$)")
_OVERRIDES = {"HEAD", "PATCH", "DELETE"}
_SUBMIT = "/api/models/{model_id}/predict"
_SLASHES, _RAW_SLASHES = re.compile(r"/{2,}"), re.compile(rb"/{2,}")


class CollapseSlashes:
    """Makes `//api/models` mean `/api/models`: a base URL that ends in a slash is no mistake.

    The path is rewritten, not redirected: a redirect turns a POST into a GET.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The wrapped app, on the tidied path."""
        if scope["type"] == "http" and "//" in scope["path"]:
            scope["path"] = _SLASHES.sub("/", scope["path"])
            scope["raw_path"] = _RAW_SLASHES.sub(b"/", scope.get("raw_path") or b"")
        await self._app(scope, receive, send)


class ResumableUploads:
    """What tus wants of every answer below /api/uploads, the refusals included; and of a caller's method.

    Some callers can send no PATCH: they send a POST with X-HTTP-Method-Override.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The wrapped app, told the method that is meant."""
        if scope["type"] != "http" or not _UPLOADS.match(scope["path"]):
            await self._app(scope, receive, send)
            return
        meant = Headers(scope=scope).get("x-http-method-override", "").upper()
        if scope["method"] == "POST" and meant in _OVERRIDES:
            scope["method"] = meant

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Tus-Resumable"] = VERSION
            await send(message)

        await self._app(scope, receive, marked)


class RequestContext:
    """Gives each request an id, the caller's where it is sane, and binds it to every log line.

    Logs the path without its query string: a signed link is a secret.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The wrapped app, with `scope["state"]["request_id"]` set and echoed as X-Request-ID."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope))
        scope.setdefault("state", {})["request_id"] = request_id
        began, status, waited = time.perf_counter(), 0, 0.0

        async def echoing(message: Message) -> None:
            nonlocal status, waited
            if message["type"] == "http.response.start":
                status, waited = int(message["status"]), time.perf_counter() - began
                MutableHeaders(scope=message)[_HEADER] = request_id
            await send(message)

        clear_contextvars()
        with bound_contextvars(request_id=request_id, **_job_of(scope)):
            try:
                await self._app(scope, receive, echoing)
            finally:
                log.info(
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    status=status,
                    seconds=round(time.perf_counter() - began, 4),
                )
                _count(scope, status, waited)


class Patience:
    """Asks again for as long as the database is away, `patience` at most, whatever may be asked again.

    A client that does not retry sees a slow answer where Postgres is started again, and no 503. That is every
    GET, and whatever failed before its body was read: what ends a job may be said twice, and a route that
    saves something new sees to that itself, with the same `scope["state"]["respite"]`. Whatever finds the
    database away says so in `scope["state"]["database_away"]`.
    """

    def __init__(self, app: ASGIApp, patience: timedelta) -> None:
        self._app, self._patience = app, patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The wrapped app, as often as it takes."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        respite = scope.setdefault("state", {})["respite"] = Respite(self._patience)
        while True:
            attempt, began = _Attempt(scope, receive, send), time.monotonic()
            await self._app(scope, attempt.receive, attempt.send)
            if not attempt.held:
                return
            if not await respite.granted(began):
                break
        for message in attempt.held:
            await send(message)


@dataclass(slots=True)
class _Attempt:
    """One run of the app: its answer goes out, unless it says that the database is away."""

    scope: Scope
    body: Receive
    out: Send
    read: bool = False
    held: list[Message] = field(default_factory=list)

    async def receive(self) -> Message:
        self.read = True
        return await self.body()

    async def send(self, message: Message) -> None:
        away = self.scope["state"].get("database_away", False)
        refusal = message.get("status") == HTTPStatus.SERVICE_UNAVAILABLE
        repeatable = self.scope["method"] == "GET" or not self.read
        if self.held or (away and refusal and repeatable):
            self.held.append(message)
        else:
            await self.out(message)


def _request_id(headers: Headers) -> str:
    asked = headers.get(_HEADER, "")
    return asked if _SANE_ID.fullmatch(asked) else uuid4().hex


def _job_of(scope: Scope) -> dict[str, str]:
    found = _JOB.search(scope["path"])
    return {"job": found.group(1).lower()} if found else {}


def _count(scope: Scope, status: int, waited: float) -> None:
    """By the route's template: what stands in a path would be a label of its own each."""
    if status == 0:
        return  # The caller went away before there was an answer.
    route = getattr(scope.get("route"), "path", "none")
    method = scope["method"] if scope["method"] in _METHODS else "other"
    REQUEST_SECONDS.labels(method, route, str(status)).observe(waited)
    if route == _SUBMIT and method == "POST":
        SUBMITS.labels("accepted" if status < 400 else "rejected" if status < 500 else "failed").inc()
