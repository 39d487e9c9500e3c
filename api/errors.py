"""From what went wrong to an HTTP answer; the only file that knows the status codes of errors.

Every refusal has one body, `{"error", "errors", "code", "request_id"}`; no traceback ever leaves the server.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.dependencies import report_url
from api.schemas.resumable import VERSION
from shared.errors import (
    AccessDenied,
    BodyTooLarge,
    ChecksumMismatch,
    Conflict,
    DatabaseUnavailable,
    Fault,
    GeneQueueError,
    IdempotencyKeyReused,
    InvalidInput,
    KeyRejected,
    MediaTypeRefused,
    NotFound,
    ProtocolRefused,
    QueryRejected,
    RangeUnsatisfiable,
    ResultGone,
    ResultLate,
    RowsRejected,
    StorageUnavailable,
    Unavailable,
    UploadGone,
    WorkspaceFull,
)

log = structlog.get_logger()

_CHECKSUM_MISMATCH = 460  # of the protocol of resumable uploads, and nobody else's
# The nearest class in an error's ancestry counts.
STATUS_OF: Mapping[type[Exception], int] = {
    InvalidInput: HTTPStatus.BAD_REQUEST,
    QueryRejected: HTTPStatus.UNPROCESSABLE_ENTITY,
    IdempotencyKeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
    BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    MediaTypeRefused: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    RangeUnsatisfiable: HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
    ProtocolRefused: HTTPStatus.PRECONDITION_FAILED,
    ChecksumMismatch: _CHECKSUM_MISMATCH,
    AccessDenied: HTTPStatus.FORBIDDEN,
    KeyRejected: HTTPStatus.UNAUTHORIZED,
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    ResultGone: HTTPStatus.GONE,
    UploadGone: HTTPStatus.GONE,
    ResultLate: HTTPStatus.GATEWAY_TIMEOUT,
    WorkspaceFull: HTTPStatus.TOO_MANY_REQUESTS,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    GeneQueueError: HTTPStatus.INTERNAL_SERVER_ERROR,
}
# What callers are told where an error's own text, for the operator, says how this server is built.
_TOLD: Mapping[type[Exception], str] = {
    StorageUnavailable: "The storage behind this server does not answer now. Try again in a few seconds.",
}
_RETRY_AFTER_SECONDS = "2"
_ROOM_AFTER_SECONDS = "30"
_HEADERS: Mapping[int, Mapping[str, str]] = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": 'Bearer realm="GeneQueue"'},
    HTTPStatus.PRECONDITION_FAILED: {"Tus-Version": VERSION},
    HTTPStatus.TOO_MANY_REQUESTS: {"Retry-After": _ROOM_AFTER_SECONDS},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": _RETRY_AFTER_SECONDS},
}


def install_error_handlers(app: FastAPI) -> None:
    """Have every error of the app, the framework's own included, answered in the one shape."""
    app.add_exception_handler(GeneQueueError, _domain_error)
    app.add_exception_handler(HTTPException, _framework_error)
    app.add_exception_handler(RequestValidationError, _parameter_error)
    app.add_middleware(LastResort)


class LastResort:
    """Answers what nobody expected, and what a stopping server breaks off; logs the traceback.

    Once an answer has begun it raises on, so that the server drops the connection without an end marker.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The wrapped app, or an error body where it failed before its first byte."""
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except ClientDisconnect:
            log.info("request.client_went_away")
        except asyncio.CancelledError:
            if scope["type"] == "http" and not started:
                await _stopping(scope)(scope, receive, send)
            raise
        except Exception as error:
            log.error("request.broke_off" if started else "request.crashed", exc_info=error)
            if started or scope["type"] != "http":
                raise
            await _unexpected(scope)(scope, receive, send)


async def _domain_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, GeneQueueError)
    status = next(STATUS_OF[kind] for kind in type(error).__mro__ if kind in STATUS_OF)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning(
            "request.failed", error=str(error), kind=type(error).__name__, cause=repr(error.__cause__)
        )
    request.state.database_away = isinstance(error, DatabaseUnavailable)
    told = _TOLD.get(type(error), str(error))
    faults = error.faults if isinstance(error, InvalidInput) else (Fault("", told),)
    code = _snake(type(error).__name__)
    if isinstance(error, RowsRejected):
        more = {"rejected_rows": error.rows, "report": report_url(error.report, request)}
        return _answer(request.scope, status, told, faults, code, more)
    answer = _answer(request.scope, status, told, faults, code)
    if isinstance(error, RangeUnsatisfiable):
        answer.headers["Content-Range"] = f"bytes */{error.size}"
    return answer


async def _framework_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    asked = f"{request.method} {request.url.path}"
    sentence = {
        HTTPStatus.NOT_FOUND: f"There is nothing at {asked}. The routes are listed at /docs.",
        HTTPStatus.METHOD_NOT_ALLOWED: f"{asked} is not possible; the routes are listed at /docs.",
    }.get(status, f"{status.phrase}: {error.detail}")
    answer = _answer(request.scope, status, sentence, (Fault("", sentence),))
    answer.headers.update(error.headers or {})
    return answer


async def _parameter_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = tuple(
        Fault(".".join(str(step) for step in fault["loc"][1:]), f"{fault['msg']} (got {fault['input']!r}).")
        for fault in error.errors()
    )
    summary = f"The request was rejected. {faults[0].path}: {faults[0].message}"
    return _answer(request.scope, HTTPStatus.UNPROCESSABLE_ENTITY, summary, faults, code="parameter_rejected")


def _unexpected(scope: Scope) -> Response:
    sentence = (
        "Something went wrong on the server. It was logged under this request_id; "
        "what was accepted before is not lost."
    )
    return _answer(scope, HTTPStatus.INTERNAL_SERVER_ERROR, sentence, (Fault("", sentence),))


def _stopping(scope: Scope) -> Response:
    sentence = "The server is stopping and did not finish this request. Ask again in a few seconds."
    return _answer(scope, HTTPStatus.SERVICE_UNAVAILABLE, sentence, (Fault("", sentence),))


def _answer(
    scope: Scope,
    status: int,
    error: str,
    faults: tuple[Fault, ...],
    code: str | None = None,
    more: Mapping[str, object] = MappingProxyType({}),
) -> Response:
    line = " ".join(error.split()) or _phrase(status)
    body = {
        "error": line,
        "errors": [_told(fault, status) for fault in faults],
        "code": code or HTTPStatus(status).name.lower(),
        "request_id": scope.get("state", {}).get("request_id", ""),
        **more,
    }
    return Response(orjson.dumps(body), status, headers=_HEADERS.get(status), media_type="application/json")


def _told(fault: Fault, status: int) -> dict[str, object]:
    """A fault as clients read it; of a large query with its place in the file and in the row."""
    said: dict[str, object] = {"path": fault.path, "message": fault.message.strip() or _phrase(status)}
    if fault.line is not None:
        said["line"] = fault.line
    if fault.pointer is not None:
        said["pointer"] = fault.pointer
    return said


def _phrase(status: int) -> str:
    return "Checksum mismatch" if status == _CHECKSUM_MISMATCH else HTTPStatus(status).phrase


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
