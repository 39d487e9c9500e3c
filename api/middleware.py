"""What every request passes first: tidy its path, give it an id, log one line about it. Plain ASGI."""

from __future__ import annotations

import re
import time
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger()

_HEADER = "x-request-id"
_SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
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
        began, status = time.perf_counter(), 0

        async def echoing(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                MutableHeaders(scope=message)[_HEADER] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
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


def _request_id(headers: Headers) -> str:
    asked = headers.get(_HEADER, "")
    return asked if _SANE_ID.fullmatch(asked) else uuid4().hex
