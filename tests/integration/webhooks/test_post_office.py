"""Deliveries over real sockets: from the commit of an event to a receiver that verifies it."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Engine, text

from shared.database.engines import transaction
from shared.database.queries.events import save_event
from shared.jobs.events import EventKind
from shared.webhooks.keys import Secret
from shared.webhooks.sealing import Seal
from tests.integration.webhooks.conftest import Serving
from tests.support.jobs import save_job
from tests.support.processes import wait_until
from tests.support.receivers import Reply, receiver
from tests.support.webhooks import deliveries_to, save_endpoint


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
        wait_until(lambda: states(engine, endpoint) == ["waiting"] and len(lab.requests) == 1)
        hurry(engine)
        wait_until(lambda: states(engine, endpoint) == ["delivered"])
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
            session.execute(save_event(job, 2, EventKind.READY))
            notices = session.execute(text("SELECT kind, data->>'because' FROM notices")).all()
            disabled = session.scalar(text("SELECT disabled_because FROM webhook_endpoints"))
    assert [tuple(row) for row in notices] == [("webhook.endpoint_disabled", "gone")]
    assert disabled == "gone"
    assert len(deliveries_to(engine, endpoint)) == 1


def hurry(engine: Engine) -> None:
    """What waits for its next attempt is due now."""
    with transaction(engine) as session:
        session.execute(text("UPDATE webhook_deliveries SET due_at = now() WHERE state = 'waiting'"))
