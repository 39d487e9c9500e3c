"""What can go wrong between a caller and a server; the texts and the list of faults are the server's own.

RequestFailed
├── QueryRefused             what was sent cannot be used; `faults` names every reason
├── AccessRefused            no key, a wrong one, or a link that is too old
├── NotThere                 no such query or model, or not for this key
├── Conflicting              it is there, and its state forbids this
│   └── SubmitUnderWay (retryable)
├── Gone                     a result that was deleted
├── Busy (retryable)         as much is open as may be
└── ServerAway (retryable)   nobody answers, or somebody says that they cannot now
    └── NeverHeard           nor did anybody ever
QueryEnded                   a query that ended without a result
DownloadDamaged              bytes that are not those the server has
VerificationFailed           a downloaded result that is not what was signed; `faults` names the files
PackageMissing               a package that only this needs
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from shared.errors import Fault, GeneQueueError


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a server says when it does not do what was asked."""

    status: int
    error: str
    code: str = ""
    faults: tuple[Fault, ...] = ()
    rejected_rows: int = 0
    report: str | None = None
    request_id: str = ""

    @classmethod
    def read(cls, status: int, content: bytes) -> Refusal:
        """The body of an answer, whoever wrote it."""
        try:
            body = json.loads(content)
            sentence = str(body["error"])
        except (ValueError, KeyError, TypeError):
            return cls(status, f"The server answered {status} without saying why.")
        return cls(
            status,
            sentence,
            body.get("code", ""),
            tuple(_fault(each) for each in body.get("errors", ())),
            body.get("rejected_rows", 0),
            body.get("report"),
            body.get("request_id", ""),
        )


def _fault(told: dict[str, Any]) -> Fault:
    return Fault(told.get("path", ""), told.get("message", ""), told.get("line"), told.get("pointer"))


class RequestFailed(GeneQueueError):
    """The server refused, or did not answer; the text says which and what to do.

    `retry_after` is the server's own wish, in seconds.
    """

    def __init__(self, message: str, refusal: Refusal | None = None, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.refusal, self.retry_after = refusal, retry_after
        self.faults = refusal.faults if refusal else ()


class QueryRefused(RequestFailed):
    """What was sent cannot be used as it is."""


class AccessRefused(RequestFailed):
    """The key or the link does not open this."""


class NotThere(RequestFailed):
    """There is no such thing, or not for this key."""


class Conflicting(RequestFailed):
    """The thing exists, and its state forbids this."""


class SubmitUnderWay(Conflicting):
    """The same submit is being saved at this moment."""

    retryable = True


class Gone(RequestFailed):
    """A result that was deleted."""


class Busy(RequestFailed):
    """As much work is open as may be."""

    retryable = True


class ServerAway(RequestFailed):
    """The server does not answer now, or says itself that it cannot; asking again may help."""

    retryable = True


class NeverHeard(ServerAway):
    """Nobody ever answered there: the URL may be wrong."""


class QueryEnded(GeneQueueError):
    """A query that ended without a result; `state` is its last one."""

    def __init__(self, state: dict[str, object]) -> None:
        super().__init__(
            f"The query ended as {state.get('status')}: {state.get('error') or 'no reason given'}"
        )
        self.state = state


class DownloadDamaged(GeneQueueError):
    """Bytes that are not those the server has."""


class VerificationFailed(GeneQueueError):
    """A downloaded result that is not what was signed."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        super().__init__(f"{faults[0].path}: {faults[0].message}{more}")
        self.faults = faults


class PackageMissing(GeneQueueError):
    """A package that only this needs is not installed."""


_LONGEST_WISH = 30.0  # seconds
_KINDS: dict[int, type[RequestFailed]] = {
    HTTPStatus.BAD_REQUEST: QueryRefused,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: QueryRefused,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: QueryRefused,
    HTTPStatus.UNPROCESSABLE_ENTITY: QueryRefused,
    HTTPStatus.UNAUTHORIZED: AccessRefused,
    HTTPStatus.FORBIDDEN: AccessRefused,
    HTTPStatus.NOT_FOUND: NotThere,
    HTTPStatus.CONFLICT: Conflicting,
    HTTPStatus.GONE: Gone,
    HTTPStatus.TOO_MANY_REQUESTS: Busy,
    HTTPStatus.BAD_GATEWAY: ServerAway,
    HTTPStatus.SERVICE_UNAVAILABLE: ServerAway,
    HTTPStatus.GATEWAY_TIMEOUT: ServerAway,
}


def failure(status: int, content: bytes, headers: Mapping[str, str]) -> RequestFailed:
    """The error that an answer of 400 or more means; header names are lower case."""
    refusal = Refusal.read(status, content)
    kind = SubmitUnderWay if refusal.code == "idempotency_key_in_use" else _KINDS.get(status, RequestFailed)
    hint = " Name a key with --key or GENEQUEUE_API_KEY." if status == HTTPStatus.UNAUTHORIZED else ""
    wish = headers.get("retry-after", "")
    return kind(refusal.error + hint, refusal, min(float(wish), _LONGEST_WISH) if wish.isdigit() else 0.0)
