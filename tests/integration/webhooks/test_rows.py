"""The rows of deliveries: made with the event itself, taken by one sender only, a few of each endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import Engine, text, update
from sqlalchemy.orm import Session

from shared.database.engines import sync_engine, transaction
from shared.database.queries import deliveries
from shared.database.queries.events import CHANNEL, events_of_job, save_event
from shared.database.tables import WebhookDelivery
from shared.jobs.events import EventKind
from shared.webhooks.states import DeliveryState
from tests.support.jobs import save_job
from tests.support.webhooks import deliveries_to, save_endpoint

MINUTE = timedelta(minutes=1)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = sync_engine(database_url)
    yield made
    made.dispose()


def kinds(engine: Engine, endpoint: UUID) -> list[str]:
    return [delivery.kind for delivery in deliveries_to(engine, endpoint)]


def happen(engine: Engine, job_id: UUID, number: int, kind: EventKind) -> None:
    with transaction(engine) as session:
        session.execute(*save_event(job_id, number, kind))


def due(engine: Engine, limit: int = 100) -> list[UUID]:
    with transaction(engine) as session:
        return list(session.scalars(deliveries.due(limit)))


def take(engine: Engine, ids: list[UUID]) -> list[WebhookDelivery]:
    with transaction(engine) as session:
        session.execute(deliveries.note_lost(ids, MINUTE))
        return list(session.scalars(deliveries.take(ids, MINUTE)))


def test_an_endpoint_is_told_what_it_asked_for_and_nothing_of_others(engine: Engine) -> None:
    everything = save_endpoint(engine)
    ends = save_endpoint(engine, events=["query.ready", "query.failed"])
    bulk = save_endpoint(engine, models=["gem-1-bulk"])
    other_model = save_endpoint(engine, models=["gem-1-sc"])
    other_lab = save_endpoint(engine, workspace="another lab")
    disabled = save_endpoint(engine, enabled=False, disabled_because="owner")
    job = save_job(engine)
    happen(engine, job, 2, EventKind.RUNNING)
    happen(engine, job, 3, EventKind.READY)
    assert (
        kinds(engine, everything) == kinds(engine, bulk) == ["query.queued", "query.running", "query.ready"]
    )
    assert kinds(engine, ends) == ["query.ready"]
    assert [kinds(engine, one) for one in (other_model, other_lab, disabled)] == [[], [], []]


def test_a_url_that_a_query_names_hears_of_that_query_only(engine: Engine) -> None:
    named = save_endpoint(engine, registered=False, secret=None)
    save_job(engine)
    job = save_job(engine, webhook_endpoint_id=named, webhook_events=["query.queued", "query.ready"])
    happen(engine, job, 2, EventKind.RUNNING)
    happen(engine, job, 3, EventKind.READY)
    assert kinds(engine, named) == ["query.queued", "query.ready"]
    assert {delivery.job_id for delivery in deliveries_to(engine, named)} == {job}


def test_progress_is_told_once_in_five_seconds_and_job(engine: Engine) -> None:
    endpoint = save_endpoint(engine, events=["query.progress"])
    first, second = save_job(engine), save_job(engine)
    for job_id in (first, second):
        happen(engine, job_id, 2, EventKind.PROGRESS)
    with transaction(engine) as session:  # the five seconds are not over
        session.execute(update(WebhookDelivery).values(created_at=text("now() + interval '1 h'")))
    for number in (3, 4):
        happen(engine, first, number, EventKind.PROGRESS)
    assert [delivery.event_number for delivery in deliveries_to(engine, endpoint)] == [2, 2]
    with transaction(engine) as session:
        session.execute(update(WebhookDelivery).values(created_at=text("now() - interval '6 s'")))
    happen(engine, first, 5, EventKind.PROGRESS)
    assert len(deliveries_to(engine, endpoint)) == 3
    with transaction(engine) as session:
        assert [event.number for event in session.scalars(events_of_job(first))] == [1, 2, 3, 4, 5]


def test_what_is_rolled_back_is_told_nobody(engine: Engine) -> None:
    endpoint, job = save_endpoint(engine), save_job(engine)
    with Session(engine) as session:
        session.execute(*save_event(job, 2, EventKind.READY))
        session.rollback()
    assert kinds(engine, endpoint) == ["query.queued"]


def test_whoever_listens_hears_of_a_commit_that_made_a_delivery_and_of_no_other(
    engine: Engine, database_url: str
) -> None:
    job = save_job(engine)
    with psycopg.connect(database_url, autocommit=True) as listener:
        listener.execute(f"LISTEN {CHANNEL}".encode())
        happen(engine, job, 2, EventKind.RUNNING)
        assert list(listener.notifies(timeout=0.2)) == []
        save_endpoint(engine)
        happen(engine, job, 3, EventKind.READY)
        assert [note.channel for note in listener.notifies(timeout=60, stop_after=1)] == [CHANNEL]


def test_two_of_an_endpoint_are_sent_at_once_however_many_wait(engine: Engine) -> None:
    flooded, other = save_endpoint(engine), save_endpoint(engine, workspace="another lab")
    for _ in range(5):
        save_job(engine)
    save_job(engine, workspace="another lab")
    taken = take(engine, due(engine))
    assert sorted(delivery.endpoint_id for delivery in taken) == sorted([flooded, flooded, other])
    assert due(engine) == []
    done = next(delivery for delivery in taken if delivery.endpoint_id == flooded)
    with transaction(engine) as session:
        statement = deliveries.finish(done.id, done.attempts, DeliveryState.DELIVERED, 200)
        assert session.scalars(statement).one_or_none() == done.id
    assert len(due(engine)) == 1


def test_an_attempt_is_counted_before_it_begins_and_a_sender_that_was_overtaken_settles_nothing(
    engine: Engine,
) -> None:
    save_endpoint(engine)
    save_job(engine)
    (first,) = take(engine, due(engine))
    assert first.attempts == 1
    assert take(engine, [first.id]) == []
    with transaction(engine) as session:
        session.execute(update(WebhookDelivery).values(due_at=text("now() - interval '1 s'")))
    (second,) = take(engine, due(engine))
    assert (second.id, second.attempts) == (first.id, 2)
    with transaction(engine) as session:
        late = deliveries.finish(first.id, first.attempts, DeliveryState.FAILED, 500)
        assert session.scalars(late).one_or_none() is None
        session.execute(deliveries.deliver([(first.id, first.attempts, 200)]))
        assert session.get_one(WebhookDelivery, first.id).state == DeliveryState.SENDING
        again = deliveries.try_again(second.id, second.attempts, MINUTE, 500)
        assert session.scalars(again).one_or_none() == first.id
    assert due(engine) == []


def test_an_attempt_that_was_lost_with_its_sender_is_shown_and_counts_only_if_the_one_before_was_lost_too(
    engine: Engine,
) -> None:
    save_endpoint(engine)
    save_job(engine)
    counted, shown = list[int](), list[str | None]()
    for _ in range(4):
        (taken,) = take(engine, due(engine))
        counted.append(taken.attempts - taken.forgiven)
        with transaction(engine) as session:
            session.execute(update(WebhookDelivery).values(due_at=text("now() - interval '1 s'")))
    with transaction(engine) as session:
        shown = list(session.scalars(text("SELECT error FROM webhook_attempts ORDER BY number")))
    assert counted == [1, 1, 2, 3]
    assert shown == [deliveries.LOST] * 3


def test_an_endpoint_that_asked_for_a_rest_is_sent_nothing_until_it_is_over(engine: Engine) -> None:
    resting = save_endpoint(engine)
    save_job(engine)
    (first,) = take(engine, due(engine))
    with transaction(engine) as session:
        session.execute(deliveries.note_failure(resting, MINUTE))
        session.execute(deliveries.try_again(first.id, first.attempts, timedelta(), 429))
    other = save_endpoint(engine)
    save_job(engine)
    (to_other,) = take(engine, due(engine))
    assert to_other.endpoint_id == other
    with transaction(engine) as session:
        session.execute(text("UPDATE webhook_endpoints SET resting_until = now() - interval '1 s'"))
    assert len(due(engine)) == 2


def test_a_workspace_of_which_enough_is_slow_waits_and_others_do_not(engine: Engine) -> None:
    save_endpoint(engine, workspace="slow lab")
    other = save_endpoint(engine, workspace="another lab")
    save_job(engine, workspace="slow lab")
    save_job(engine, workspace="another lab")
    with transaction(engine) as session:
        slow = session.scalars(text("SELECT id FROM workspaces WHERE name = 'slow lab'")).one()
        found = list(session.scalars(deliveries.due(10, without=[slow])))
    assert [delivery.endpoint_id for delivery in take(engine, found)] == [other]


def test_what_waits_for_a_disabled_or_deleted_endpoint_is_not_due(engine: Engine) -> None:
    save_endpoint(engine)
    save_job(engine)
    assert len(due(engine)) == 1
    with transaction(engine) as session:
        session.execute(text("UPDATE webhook_endpoints SET enabled = false, disabled_because = 'gone'"))
    assert due(engine) == []
    with transaction(engine) as session:
        session.execute(
            text("UPDATE webhook_endpoints SET enabled = true, disabled_because = NULL, deleted_at = now()")
        )
    assert due(engine) == []
