"""What the monitoring sees: what is due and not sent is overdue, what waits behind others is not."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Engine, text

from shared.database.engines import transaction
from shared.database.queries.delivery_diagnosis import given_up, open_deliveries
from tests.support.jobs import save_job
from tests.support.webhooks import save_endpoint

HALF_A_MINUTE = timedelta(seconds=30)
DUE_FOR_A_MINUTE = "UPDATE webhook_deliveries SET due_at = now() - interval '60 s'"
ONE_IS_SENT = (
    "UPDATE webhook_deliveries SET state = 'sending', due_at = now() + interval '9 s' "
    "WHERE id = (SELECT min(id::text)::uuid FROM webhook_deliveries)"
)


def look(engine: Engine) -> tuple[int, int, timedelta | None]:
    with transaction(engine) as session:
        waiting, overdue, late = session.execute(open_deliveries(HALF_A_MINUTE)).one()
    return waiting, overdue, late


def run(engine: Engine, statement: str) -> None:
    with transaction(engine) as session:
        session.execute(text(statement))


def test_what_is_due_and_not_sent_is_overdue(engine: Engine) -> None:
    assert look(engine) == (0, 0, None)
    save_endpoint(engine)
    save_job(engine)
    save_job(engine)
    assert look(engine) == (2, 0, None)
    run(engine, DUE_FOR_A_MINUTE)
    waiting, overdue, late = look(engine)
    assert (waiting, overdue) == (2, 1)
    assert late is not None
    assert timedelta(seconds=60) <= late < timedelta(minutes=5)
    run(engine, ONE_IS_SENT)
    assert look(engine) == (2, 0, None), "the other one waits for its turn"


def test_an_endpoint_that_was_given_up_is_named_and_one_that_its_owner_closed_is_not(engine: Engine) -> None:
    gone = save_endpoint(engine, enabled=False, disabled_because="gone")
    save_endpoint(engine, enabled=False, disabled_because="owner")
    save_endpoint(engine)
    with transaction(engine) as session:
        assert session.execute(given_up(5)).all() == [(gone, "https://example.org/hook", "gone")]
