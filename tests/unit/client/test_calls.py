"""Asking again: what is tried again, for how long, and what is not."""

from __future__ import annotations

import pytest

from genequeue.client.calls import Call, ask
from genequeue.client.errors import (
    AccessRefused,
    Busy,
    Conflicting,
    Gone,
    NotThere,
    QueryRefused,
    RequestFailed,
    ServerAway,
    SubmitUnderWay,
)
from shared.errors import Fault
from tests.support.scripted import LOST, NOBODY, Script, answer, refusal

GET = Call("GET", "/api/models")


@pytest.mark.parametrize("first", [LOST, *map(refusal, (429, 502, 503, 504))])
def test_what_may_pass_is_asked_again_until_it_has(first: object) -> None:
    script = Script(first, first, answer(200, {"models": []}))  # type: ignore[arg-type]
    assert script.play(ask(GET)).json() == {"models": []}
    assert len(script.calls) == 3
    assert 0 < script.pauses[0] < script.pauses[1]


def test_after_a_minute_what_was_wrong_is_raised() -> None:
    script = Script(*[refusal(503, "Postgres is away.")] * 99)
    with pytest.raises(ServerAway, match="Postgres is away"):
        script.play(ask(GET))
    assert 60 < sum(script.pauses) < 75


def test_where_nobody_ever_answered_it_is_raised_within_seconds() -> None:
    script = Script(*[NOBODY] * 99)
    with pytest.raises(ServerAway):
        script.play(ask(GET))
    assert sum(script.pauses) < 3


def test_the_servers_own_wish_is_waited_for() -> None:
    busy = answer(429, {"error": "Full."}, retry_after="17")
    script = Script(busy, answer())
    script.play(ask(GET))
    assert script.pauses == [17]


@pytest.mark.parametrize("first", [LOST, refusal(503)])
def test_what_must_not_happen_twice_is_sent_once(first: object) -> None:
    script = Script(first, answer())  # type: ignore[arg-type]
    with pytest.raises(ServerAway):
        script.play(ask(Call("POST", "/api/model-queries/1/retry-failed", repeatable=False)))
    assert len(script.calls) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, QueryRefused),
        (413, QueryRefused),
        (422, QueryRefused),
        (401, AccessRefused),
        (403, AccessRefused),
        (404, NotThere),
        (409, Conflicting),
        (410, Gone),
        (418, RequestFailed),
        (500, RequestFailed),
    ],
)
def test_each_refusal_is_an_error_of_its_kind_at_once(status: int, kind: type[RequestFailed]) -> None:
    script = Script(refusal(status, "Because."))
    with pytest.raises(kind, match="Because") as failed:
        script.play(ask(GET))
    assert type(failed.value) is kind
    assert script.pauses == []


def test_a_submit_that_is_being_saved_is_asked_for_again_and_a_busy_server_is_waited_for() -> None:
    saving = refusal(409, code="idempotency_key_in_use")
    assert Script(saving, refusal(429), answer(202, 7)).play(ask(GET)).json() == 7
    with pytest.raises(SubmitUnderWay):
        Script(*[saving] * 99).play(ask(GET))
    with pytest.raises(Busy):
        Script(*[refusal(429)] * 99).play(ask(GET))


def test_a_refusal_keeps_every_fault_with_its_line_and_where_all_of_them_are() -> None:
    faults = [
        {"path": "inputs[41].metadata.sex", "line": 43, "pointer": "/metadata/sex", "message": "No sex."},
        {"path": "seed", "message": "No seed."},
    ]
    body = {"errors": faults, "rejected_rows": 2_000, "report": "http://x/report", "code": "query_rejected"}
    with pytest.raises(QueryRefused) as refused:
        Script(refusal(422, **body)).play(ask(GET))
    assert refused.value.faults == (
        Fault("inputs[41].metadata.sex", "No sex.", 43, "/metadata/sex"),
        Fault("seed", "No seed."),
    )
    assert refused.value.refusal is not None
    assert (refused.value.refusal.rejected_rows, refused.value.refusal.report) == (2_000, "http://x/report")


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"{}"])
def test_a_refusal_that_is_not_ours_is_a_sentence_all_the_same(content: bytes) -> None:
    broken = answer(500)
    with pytest.raises(RequestFailed, match="answered 500 without saying why"):
        Script(type(broken)(500, {}, content)).play(ask(GET))
