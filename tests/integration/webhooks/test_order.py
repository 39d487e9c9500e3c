"""Row 42: what arrives twice and in any order says enough of itself to be put right."""

from __future__ import annotations

import random
import threading
from collections import Counter
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from shared.database.engines import transaction
from shared.database.queries.events import save_event
from shared.jobs.events import EventKind
from shared.webhooks.keys import Secret
from shared.webhooks.sealing import Seal
from tests.integration.webhooks.conftest import Serving
from tests.support.jobs import save_job
from tests.support.processes import wait_until
from tests.support.receivers import Reply, Request, receiver
from tests.support.webhooks import deliveries_to, save_endpoint

HISTORY = [EventKind.RUNNING, EventKind.READY, EventKind.EXPIRED]
KINDS = ["query.queued", *map(str, HISTORY)]
RUNNING = 2
_CHANGE = """
    UPDATE jobs SET state = :state, events = :number,
        finished_at = CASE WHEN :over THEN now() END,
        chunks_open = CASE WHEN :over THEN 0 ELSE chunks_open END,
        samples_done = CASE WHEN :over THEN samples_total ELSE 0 END,
        manifest_key = CASE WHEN :over THEN 'manifest' END
    WHERE id = :id
"""
STATES = {1: "queued", 2: "running", 3: "ready", 4: "expired"}


def go_on(engine: Engine, job: UUID, number: int, kind: EventKind) -> None:
    with transaction(engine) as session:
        values = {"id": job, "number": number, "state": STATES[number], "over": number > RUNNING}
        session.execute(text(_CHANGE), values)
        session.execute(*save_event(job, number, kind))


def have_all_sent_again(engine: Engine) -> None:
    """As a redelivery, or a sender that died before it wrote down what was answered."""
    with transaction(engine) as session:
        session.execute(
            text(
                "UPDATE webhook_deliveries SET state = 'waiting', finished_at = NULL, "
                "forgiven = attempts, due_at = now() - random() * interval '1 minute'"
            )
        )


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_receiver_restores_the_order_of_shuffled_and_doubled_events(
    engine: Engine, seal: Seal, serving: Serving, seed: int
) -> None:
    """By webhook-id what came before, by the event's number the order, by the sequence the newest state."""
    chance, kept, again = random.Random(seed), list[Request](), threading.Event()

    def moody(request: Request) -> Reply:
        """Refuses every other event until the others are there, so that it comes late."""
        number = request.payload["data"]["event"]["number"]
        if not again.is_set() and number % 2 == 1:
            return Reply(503)
        kept.append(request)
        return Reply()

    with receiver(moody) as lab, serving():
        endpoint = save_endpoint(engine, lab.url, secret=seal.close(Secret.new()))
        job = save_job(engine)
        for number, kind in enumerate(HISTORY, 2):
            go_on(engine, job, number, kind)
            if chance.random() < 0.5:
                wait_until(lambda upto=number: len(lab.requests) >= upto)
        wait_until(lambda: is_halted(engine, endpoint))
        again.set()
        have_all_sent_again(engine)
        wait_until(lambda: is_all_delivered(engine, endpoint))
    numbers = [request.payload["data"]["event"]["number"] for request in kept]
    times = Counter(numbers)
    assert times[2] == times[4] == 2
    assert {times[1], times[3]} <= {1, 2}, "one may have been on its way while all were sent again"
    assert numbers != sorted(numbers)
    assert in_order(kept) == KINDS
    assert newest(kept)["status"] == "expired"
    for request in kept:
        data = request.payload["data"]
        assert data["status"] == STATES[data["sequence"]]
        assert data["sequence"] >= data["event"]["number"]


def test_progress_of_a_job_that_is_over_is_no_news_and_not_sent(
    engine: Engine, seal: Seal, serving: Serving
) -> None:
    with receiver() as lab:
        endpoint = save_endpoint(engine, lab.url, secret=seal.close(Secret.new()))
        job = save_job(engine)
        with transaction(engine) as session:
            session.execute(*save_event(job, 2, EventKind.PROGRESS))
        go_on(engine, job, RUNNING + 1, EventKind.READY)
        with serving():
            wait_until(lambda: all(one.finished_at for one in deliveries_to(engine, endpoint)))
    assert [one.state for one in deliveries_to(engine, endpoint)] == ["delivered", "superseded", "delivered"]
    assert sorted(lab.kinds) == ["query.queued", "query.ready"]


def is_halted(engine: Engine, endpoint: UUID) -> bool:
    """Whether what is to come at first came, and was written down."""
    rows = deliveries_to(engine, endpoint)
    refused = all(one.attempts and one.state != "delivered" for one in rows if one.event_number % 2)
    return refused and [one.state for one in rows if one.event_number % 2 == 0] == ["delivered"] * 2


def is_all_delivered(engine: Engine, endpoint: UUID) -> bool:
    return [delivery.state for delivery in deliveries_to(engine, endpoint)] == ["delivered"] * len(KINDS)


def in_order(requests: list[Request]) -> list[str]:
    """What a receiver that forgets what it has makes of it."""
    once = {request.id: request.payload for request in requests}
    by_number = sorted(once.values(), key=lambda payload: payload["data"]["event"]["number"])
    return [payload["type"] for payload in by_number]


def newest(requests: list[Request]) -> dict[str, Any]:
    """What a receiver that wants only the state makes of it."""
    return dict(max((request.payload["data"] for request in requests), key=lambda data: data["sequence"]))
