"""What is done with queries, as steps: submit one, wait for it, cancel it, try it again, compare it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from genequeue.client.calls import Answer, Call, Json, Pause, Stage, Steps, Tell, Told, ask, post_json
from genequeue.client.errors import QueryEnded, QueryRefused
from genequeue.client.submissions import Query, Rows, Submission
from genequeue.client.uploads import end, upload

FINAL = frozenset({"ready", "failed", "cancelled", "expired"})
# Of a broken connection, no more than this is sent again.
MOST_AT_ONCE = 8 << 20
_LONG_POLL_SECONDS = 20
# A query of a thousand parts has as many events.
_BREATH_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Accepted:
    """A query that was saved, and what it does without: rows that were bad, and the URL of their report."""

    query_id: str
    rejected_rows: int = 0
    report: str | None = None

    @classmethod
    def read(cls, body: Json) -> Accepted:
        """The answer to a submit."""
        return cls(body["modelQueryId"], body.get("rejected_rows", 0), body.get("report"))


@dataclass(frozen=True, slots=True)
class Attempt:
    """What makes several tries one submit: a key, and the upload that was begun.

    `began` is told of an upload, `saved` of the query. More bytes than `at_once` go up as an upload that can
    be carried on.
    """

    key: str
    upload: str | None = None
    began: Callable[[str], None] = lambda _: None
    saved: Callable[[str], None] = lambda _: None
    at_once: int = MOST_AT_ONCE


def submit(what: Submission, model: str, attempt: Attempt, tell: Tell) -> Steps[Accepted]:
    """Have a query saved, once, however often this is played with the same attempt. Raises RequestFailed."""
    call, upload_id = yield from _call(_route(model, "predict"), what, attempt, tell)
    call = replace(call, headers={**call.headers, "Idempotency-Key": attempt.key})
    answer = yield from _unless_refused(call, upload_id)
    accepted = Accepted.read(answer.json())
    attempt.saved(accepted.query_id)
    yield from end(upload_id)
    return accepted


def check(what: Submission, model: str, tell: Tell) -> Steps[Json]:
    """What the server says of a query without running it. Raises RequestFailed."""
    call, upload_id = yield from _call(_route(model, "validate"), what, Attempt(""), tell)
    answer = yield from _unless_refused(call, upload_id)
    yield from end(upload_id)
    return answer.json()  # type: ignore[no-any-return]


def _route(model: str, action: str) -> str:
    return f"/api/models/{quote(model)}/{action}"


def _call(route: str, what: Submission, attempt: Attempt, tell: Tell) -> Steps[tuple[Call, str | None]]:
    """What sends a query to a route, once its bytes are uploaded if they are many; and that upload."""
    if isinstance(what, Query):
        return post_json(route, what.body), None
    if what.size <= attempt.at_once:
        return _whole(what, route), None
    upload_id = yield from upload(what, attempt.upload, attempt.began, tell)
    return post_json(route, {"upload": upload_id, **what.options}), upload_id


def _unless_refused(call: Call, upload_id: str | None) -> Steps[Answer]:
    """The answer; what was uploaded and is refused is of no use to anybody. Raises RequestFailed."""
    try:
        return (yield from ask(call))
    except QueryRefused:
        yield from end(upload_id)
        raise


def _whole(rows: Rows, route: str) -> Call:
    sent = {"Content-Type": rows.media_type}
    if rows.encoding:
        sent["Content-Encoding"] = rows.encoding
    return Call("POST", route, params=rows.parameters, content=rows.read(0, rows.size), headers=sent)


def path_of(query_id: str, *more: str) -> str:
    """The route of a query, or of something of it."""
    return "/".join(("/api/model-queries", quote(query_id, safe=""), *more))


def get_json(path: str, **parameters: Any) -> Steps[Any]:
    """The JSON of a GET. Raises RequestFailed."""
    return (yield from ask(Call("GET", path, params=parameters))).json()


def state_of(query_id: str) -> Steps[Json]:
    """The whole state of a query, as it stands. Raises RequestFailed."""
    state: Json = yield from get_json(path_of(query_id))
    return state


def act(query_id: str, action: str, *, repeatable: bool = False) -> Steps[Json]:
    """POST an action without a body; its answer. Raises RequestFailed."""
    answer = yield from ask(Call("POST", path_of(query_id, action), repeatable=repeatable))
    return answer.json()  # type: ignore[no-any-return]


def wait(query_id: str, tell: Tell) -> Steps[Json]:
    """The last state of a query, once it has ended with a result. Raises QueryEnded, RequestFailed."""
    state, etag = None, ""
    while True:
        state, etag = yield from changed(query_id, etag, state)
        tell(progress_of(state))
        if state["status"] in FINAL:
            return must_be_ready(state)
        yield Pause(_BREATH_SECONDS)


def changed(query_id: str, etag: str, state: Json | None) -> Steps[tuple[Json, str]]:
    """The state of a query and its tag, as soon as it is not the one that is known, or in a while."""
    known: dict[str, Any] = {"params": {"wait": _LONG_POLL_SECONDS}, "headers": {"If-None-Match": etag}}
    answer = yield from ask(Call("GET", path_of(query_id), **(known if state else {})))
    if answer.status == HTTPStatus.NOT_MODIFIED and state:
        return state, etag
    return answer.json(), answer.headers.get("etag", "")


def must_be_ready(state: Json) -> Json:
    """A last state that has a result. Raises QueryEnded."""
    if state["status"] != "ready":
        raise QueryEnded(state)
    return state


def progress_of(state: Json) -> Told:
    """How far a query is, in samples."""
    progress = state["progress"]
    return Told(Stage.RUN, progress["samples_done"], progress["samples_total"], state["status"])
