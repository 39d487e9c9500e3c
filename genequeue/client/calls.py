"""Requests as values: what is asked, what was answered, and how often it is asked again. Opens no connection.

Whatever the client does is a generator of `Call`, `Pause` and `Together`, which a player plays (players.py):
so the blocking client and the asynchronous one differ in nothing but how they wait.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Protocol, TypeVar

from genequeue.client.errors import NeverHeard, RequestFailed, failure

Json = dict[str, Any]
_T = TypeVar("_T")
# Once it has answered, a server that is away for a minute, for a restart say, loses nothing.
PATIENCE_SECONDS = 60.0
# One that never answered may not be there at all.
_FIRST_PATIENCE = 1.5
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 8.0


class Sink(Protocol):
    """Where the body of a good answer goes, as it comes."""

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """The answer has begun; header names are lower case."""

    def write(self, piece: bytes) -> None:
        """The next bytes of its body."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `path` is one of the API's, or a whole URL, to which no key is sent.

    Only what is `repeatable` is asked again where nobody knows whether it arrived.
    """

    method: str
    path: str
    params: Mapping[str, Any] | None = None
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    sink: Sink | None = None
    repeatable: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; header names are lower case. `content` is empty where a sink took it."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        """The body read as JSON."""
        return json.loads(self.content) if self.content else None


@dataclass(frozen=True, slots=True)
class Pause:
    """Do nothing for a while."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Together:
    """Several things beside each other, `at_once` at a time."""

    several: Sequence[Steps[Any]]
    at_once: int


Steps = Generator[Call | Pause | Together, Any, _T]


class Stage(StrEnum):
    """What a client is busy with."""

    UPLOAD = "upload"  # bytes
    RUN = "run"  # samples
    MAKE = "make"  # a form of the result, by the server: samples
    DOWNLOAD = "download"  # bytes


@dataclass(frozen=True, slots=True)
class Told:
    """How far a stage is; `total` is 0 where nobody knows it."""

    stage: Stage
    done: int
    total: int
    note: str = ""


Tell = Callable[[Told], None]


def quiet(_: Told) -> None:
    """Say nothing."""


def post_json(path: str, body: object, headers: Mapping[str, str] | None = None, **more: Any) -> Call:
    """A POST of JSON."""
    sent = {"Content-Type": "application/json", **(headers or {})}
    return Call("POST", path, content=json.dumps(body).encode(), headers=sent, **more)


def once(call: Call) -> Steps[Answer]:
    """The answer to a call, asked once. Raises RequestFailed."""
    answer: Answer = yield call
    if answer.status >= HTTPStatus.BAD_REQUEST:
        raise failure(answer.status, answer.content, answer.headers)
    return answer


def ask(call: Call) -> Steps[Answer]:
    """The answer to a call, asked again while that may help and does no harm. Raises RequestFailed."""
    waits = Waits()
    while True:
        try:
            return (yield from once(call))
        except RequestFailed as failed:
            if not (failed.retryable and call.repeatable):
                raise
            yield from waits.before_next(failed)


@dataclass(slots=True)
class Waits:
    """The pauses between tries of one thing: each about twice as long as the one before, a minute in all."""

    waited: float = 0.0
    _next: float = _FIRST_PAUSE

    def before_next(self, failed: RequestFailed) -> Steps[None]:
        """Wait, or raise what failed if that was long enough."""
        if self.waited >= (_FIRST_PATIENCE if isinstance(failed, NeverHeard) else PATIENCE_SECONDS):
            raise failed
        # Not all at the same moment, where many were refused together.
        pause = max(self._next * random.uniform(0.8, 1.2), failed.retry_after)
        self.waited, self._next = self.waited + pause, min(2 * self._next, _LONGEST_PAUSE)
        yield Pause(pause)

    def succeeded(self) -> None:
        """What comes next is tried for as long again."""
        self.waited, self._next = 0.0, _FIRST_PAUSE
