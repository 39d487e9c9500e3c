"""The log is kept for 90 days: older deliveries go with their attempts, what is open stays."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Engine, text

from shared.database.engines import transaction
from tests.support.jobs import save_job
from tests.support.webhooks import deliveries_to, save_endpoint
from worker.webhooks.forgetting import forget_old_deliveries

DELIVERED = "UPDATE webhook_deliveries SET state = 'delivered', finished_at = now()"
AGED = "UPDATE webhook_deliveries SET created_at = now() - interval '91 days'"
ATTEMPTED = (
    "INSERT INTO webhook_attempts (delivery_id, number, began_at, milliseconds, status) "
    "SELECT id, 1, created_at, 5, 204 FROM webhook_deliveries"
)


def run(engine: Engine, *statements: str) -> None:
    with transaction(engine) as session:
        for statement in statements:
            session.execute(text(statement))


def count(engine: Engine, table: str) -> int:
    with transaction(engine) as session:
        return session.scalars(text(f"SELECT count(*) FROM {table}")).one()


def states(engine: Engine, endpoint: UUID) -> list[str]:
    return [delivery.state for delivery in deliveries_to(engine, endpoint)]


def test_deliveries_older_than_90_days_go_a_few_at_a_time_with_their_attempts(engine: Engine) -> None:
    endpoint = save_endpoint(engine)
    for _ in range(5):
        save_job(engine)
    run(engine, DELIVERED, AGED, ATTEMPTED)
    newer = save_job(engine)
    run(engine, f"{DELIVERED} WHERE finished_at IS NULL")
    assert forget_old_deliveries(engine, at_once=2) == 5
    assert [delivery.job_id for delivery in deliveries_to(engine, endpoint)] == [newer]
    assert count(engine, "webhook_attempts") == 0
    assert count(engine, "events") == 6, "what happened to the jobs is no part of the log"
    assert forget_old_deliveries(engine, at_once=2) == 0


def test_what_is_open_stays_however_old_it_is(engine: Engine) -> None:
    endpoint = save_endpoint(engine)
    save_job(engine)
    run(engine, AGED)
    assert forget_old_deliveries(engine) == 0
    assert states(engine, endpoint) == ["waiting"]


def test_what_waits_for_an_endpoint_that_is_told_nothing_any_more_is_ended(engine: Engine) -> None:
    """An event that was being saved while its endpoint was deleted, say: nobody would ever send it."""
    deleted, disabled, open_one = save_endpoint(engine), save_endpoint(engine), save_endpoint(engine)
    save_job(engine)
    with transaction(engine) as session:
        session.execute(
            text("UPDATE webhook_endpoints SET deleted_at = now() WHERE id = :id"), {"id": deleted}
        )
        session.execute(
            text("UPDATE webhook_endpoints SET enabled = false, disabled_because = 'gone' WHERE id = :id"),
            {"id": disabled},
        )
    forget_old_deliveries(engine)
    assert [states(engine, each) for each in (deleted, disabled, open_one)] == [
        ["failed"],
        ["failed"],
        ["waiting"],
    ]


def test_notices_are_kept_for_90_days_too(engine: Engine) -> None:
    save_endpoint(engine)
    run(
        engine,
        "INSERT INTO notices (workspace_id, kind, created_at) SELECT id, 'old', now() - interval '91 days' "
        "FROM workspaces",
        "INSERT INTO notices (workspace_id, kind) SELECT id, 'new' FROM workspaces",
    )
    assert forget_old_deliveries(engine) == 1
    with transaction(engine) as session:
        assert session.scalars(text("SELECT kind FROM notices")).all() == ["new"]
