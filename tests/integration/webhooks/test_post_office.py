"""Deliveries over real sockets: from the commit of an event to a receiver that verifies it."""

from __future__ import annotations

import threading
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text

from shared.database.engines import transaction
from shared.database.queries import deliveries
from shared.database.queries.events import save_event
from shared.jobs.events import EventKind
from shared.webhooks.keys import Secret
from shared.webhooks.sealing import Seal
from tests.integration.webhooks.conftest import Serving
from tests.support.jobs import save_job
from tests.support.post_offices import post_office
from tests.support.processes import wait_until
from tests.support.receivers import Reply, Request, hanging_receiver, receiver
from tests.support.webhooks import deliveries_to, save_endpoint

# No attempt ends by itself.
LONG: dict[str, Any] = {
    "total": timedelta(minutes=10),
    "lease": timedelta(minutes=20),
    "last": timedelta(minutes=1),
}


def states(engine: Engine, endpoint: UUID) -> list[str]:
    return [delivery.state for delivery in deliveries_to(engine, endpoint)]


def test_an_event_arrives_signed_with_the_whole_state_of_its_job(
    engine: Engine, seal: Seal, serving: Serving
) -> None:
    secret = Secret.new()
    with receiver() as lab, serving():
        endpoint = save_endpoint(engine, lab.url, secret=seal.close(secret))
        job = save_job(engine)
        wait_until(lambda: states(engine, endpoint) == ["delivered"])
    (request,) = lab.requests
    payload = request.verified(secret)
    assert payload["type"] == "query.queued"
    assert payload["data"]["id"] == str(job)
    assert (payload["data"]["status"], payload["data"]["sequence"]) == ("queued", 1)
    assert request.headers["content-type"] == "application/json"
    assert len(request.body) < 20_000


def test_what_fails_is_tried_again_under_the_same_id(engine: Engine, seal: Seal, serving: Serving) -> None:
    with receiver(lambda _: Reply(500 if len(lab.requests) < 2 else 200)) as lab, serving():
        endpoint = save_endpoint(engine, lab.url, secret=seal.close(Secret.new()))
        save_job(engine)
        wait_until(lambda: len(lab.requests) >= 1)

        def delivered() -> bool:
            hurry(engine)
            return states(engine, endpoint) == ["delivered"]

        wait_until(delivered)
    first, second = lab.requests
    assert first.id == second.id
    with transaction(engine) as session:
        rows = session.execute(text("SELECT number, status FROM webhook_attempts ORDER BY number")).all()
    assert [tuple(row) for row in rows] == [(1, 500), (2, 200)]


def test_410_disables_the_endpoint_at_once_and_leaves_a_notice(
    engine: Engine, seal: Seal, serving: Serving
) -> None:
    with receiver(lambda _: Reply(410)) as lab, serving():
        endpoint = save_endpoint(engine, lab.url, secret=seal.close(Secret.new()))
        job = save_job(engine)
        wait_until(lambda: states(engine, endpoint) == ["failed"])
        with transaction(engine) as session:
            session.execute(*save_event(job, 2, EventKind.READY))
            notices = session.execute(text("SELECT kind, data->>'because' FROM notices")).all()
            disabled = session.scalar(text("SELECT disabled_because FROM webhook_endpoints"))
    assert [tuple(row) for row in notices] == [("webhook.endpoint_disabled", "gone")]
    assert disabled == "gone"
    assert len(deliveries_to(engine, endpoint)) == 1


def test_two_that_are_answered_410_at_the_same_moment_are_both_written_down(
    engine: Engine, seal: Seal, database_url: str
) -> None:
    """Neither waits for a row that the other holds: the loser of such a knot would be sent again later."""
    both = threading.Barrier(2)

    def gone(_: Request) -> Reply:
        both.wait(60)
        return Reply(410)

    with receiver(gone) as lab, post_office(database_url, "http://genequeue.test", **LONG):
        for _ in range(8):
            both.reset()
            endpoint = save_endpoint(engine, lab.url, secret=seal.close(Secret.new()))
            save_job(engine)
            save_job(engine)
            wait_until(partial(both_failed, engine, endpoint))
    wait_until(lambda: attempts(engine) == 16)
    with transaction(engine) as session:
        assert session.scalars(text("SELECT count(*) FROM notices")).one() == 8


def test_what_is_under_way_when_the_sender_is_told_to_end_is_still_answered_and_written_down(
    engine: Engine, seal: Seal, database_url: str
) -> None:
    with receiver(lambda _: Reply(after=1)) as lab:
        endpoint = save_endpoint(engine, lab.url, secret=seal.close(Secret.new()))
        with post_office(database_url, "http://genequeue.test", **LONG):
            save_job(engine)
            wait_until(lambda: len(lab.requests) == 1)
        assert states(engine, endpoint) == ["delivered"]


def test_endpoints_that_hang_leave_room_for_others_though_they_hold_every_place(
    engine: Engine, seal: Seal, database_url: str
) -> None:
    """What takes two seconds moves aside; of one workspace, an eighth of all places is aside."""
    sealed = seal.close(Secret.new())
    with hanging_receiver() as hanging, receiver() as lab:
        for number in range(4):
            save_endpoint(engine, f"{hanging.url}/{number}", "a lab that hangs", secret=sealed)
        for _ in range(2):
            save_job(engine, workspace="a lab that hangs")
        places = {"at_once": 4, "aside": 28, "last": timedelta()}
        with post_office(database_url, "http://genequeue.test", **LONG | places):
            wait_until(lambda: len(hanging.requests) == 4)
            healthy = save_endpoint(engine, lab.url, secret=sealed)
            save_job(engine)
            wait_until(lambda: states(engine, healthy) == ["delivered"])
    assert len(hanging.requests) == 4


def test_endpoints_that_failed_the_last_time_have_a_bounded_share_of_what_is_sent(engine: Engine) -> None:
    long_ago = text("now() - interval '1 h'")
    failing = [save_endpoint(engine, failing_since=long_ago) for _ in range(4)]
    healthy = save_endpoint(engine)
    save_job(engine)
    with transaction(engine) as session:
        found = session.execute(deliveries.due(10, of_failing=3)).all()
        assert sorted(row.failing for row in found) == [False, True, True, True]
        taken = list(session.scalars(deliveries.take([row.id for row in found], timedelta(minutes=1))))
    assert healthy in {delivery.endpoint_id for delivery in taken}
    assert len({delivery.endpoint_id for delivery in taken} & set(failing)) == 3


def test_a_delivery_whose_message_cannot_be_written_fails_as_others_do(
    engine: Engine, seal: Seal, serving: Serving
) -> None:
    """It is not taken again and again, each time half a minute later."""
    with receiver() as lab, serving():
        endpoint = save_endpoint(engine, lab.url, secret=seal.close(Secret.new()), max_attempts=1)
        job = save_job(engine)
        wait_until(lambda: states(engine, endpoint) == ["delivered"])
        with transaction(engine) as session:
            session.execute(*save_event(job, 2, EventKind.RUNNING))
            session.execute(text(f"UPDATE events SET data = '{{\"number\": {1 << 70}}}' WHERE number = 2"))
        wait_until(lambda: states(engine, endpoint) == ["delivered", "failed"])
        save_job(engine)
        wait_until(lambda: states(engine, endpoint).count("delivered") == 2)
    with transaction(engine) as session:
        error = session.scalars(text("SELECT error FROM webhook_attempts WHERE error IS NOT NULL")).one()
    assert error.startswith("It could not be written")


def both_failed(engine: Engine, endpoint: UUID) -> bool:
    return states(engine, endpoint) == ["failed", "failed"]


def attempts(engine: Engine) -> int:
    with transaction(engine) as session:
        return session.scalars(text("SELECT count(*) FROM webhook_attempts")).one()


def hurry(engine: Engine) -> None:
    """What waits for its next attempt is due now."""
    with transaction(engine) as session:
        session.execute(text("UPDATE webhook_deliveries SET due_at = now() WHERE state = 'waiting'"))
