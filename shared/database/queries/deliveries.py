"""Statements of whoever sends deliveries: take some that are due, write down how an attempt went."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    Insert,
    ScalarSelect,
    Select,
    SmallInteger,
    Update,
    Uuid,
    and_,
    case,
    column,
    exists,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    true,
    update,
    values,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import aliased
from sqlalchemy.sql.dml import ReturningUpdate

from shared.database.tables import (
    Event,
    Job,
    Notice,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookSecret,
)
from shared.webhooks.schedule import GIVEN_UP_AFTER
from shared.webhooks.states import OPEN, DeliveryState, Disabled

# One that hangs must not hold more than this of what is sent at once.
AT_ONCE_PER_ENDPOINT = 2
# What is said of an attempt of which nobody wrote down how it went.
LOST = "Whoever sent it ended before it wrote down what was answered. It is sent again."
# Written out, so that the planner knows that the index of what is open holds them.
OPEN_IN_SQL: tuple[ColumnElement[str], ...] = tuple(literal_column(f"'{state}'") for state in OPEN)


def due(limit: int, of_failing: int | None = None, without: Collection[int] = ()) -> Select[UUID, bool, bool]:
    """Deliveries whose time has come, the longest due first; of each endpoint as many as it has room for.

    Beside each, whether its endpoint failed the last time (of those `of_failing` at most), and whether its
    sender was lost; none of the workspaces in `without`, none of endpoints that rest. Reads a few index
    entries for each endpoint that anything waits for, however many there are, and however much waits for one.
    """
    return _due(limit, of_failing, frozenset(without))


@lru_cache(maxsize=64)
def _due(limit: int, of_failing: int | None, without: frozenset[int]) -> Select[UUID, bool, bool]:
    """Built once for each: an idle sender asks every second, and would do little else."""
    waiting = _waited_for()
    candidate = aliased(WebhookDelivery)
    first = (
        select(candidate.id, candidate.due_at, candidate.state)
        .where(
            candidate.endpoint_id == waiting.c.endpoint_id,
            candidate.state.in_(OPEN_IN_SQL),
            candidate.due_at < func.now(),
        )
        .order_by(candidate.due_at)
        .limit(func.greatest(AT_ONCE_PER_ENDPOINT - _under_way(waiting), 0))
        .lateral()
    )
    failing = WebhookEndpoint.failing_since.is_not(None)
    place = func.row_number().over(partition_by=failing, order_by=first.c.due_at)
    ranked = (
        select(first.c.id, first.c.due_at, first.c.state, failing.label("failing"), place.label("place"))
        .select_from(waiting)
        .join(WebhookEndpoint, WebhookEndpoint.id == waiting.c.endpoint_id)
        .join(first, true())
        .where(
            WebhookEndpoint.enabled,
            WebhookEndpoint.deleted_at.is_(None),
            WebhookEndpoint.workspace_id.not_in(without),
            func.coalesce(WebhookEndpoint.resting_until < func.now(), true()),
        )
        .subquery()
    )
    most = limit if of_failing is None else of_failing
    return (
        select(ranked.c.id, ranked.c.failing, (ranked.c.state == DeliveryState.SENDING).label("lost"))
        .where(or_(~ranked.c.failing, ranked.c.place <= most))
        .order_by(ranked.c.due_at)
        .limit(limit)
    )


def _waited_for() -> CTE:
    """The endpoints that anything waits for: from one to the next in the index of what is due."""
    a, b = aliased(WebhookDelivery), aliased(WebhookDelivery)
    first = select(a.endpoint_id).where(a.state.in_(OPEN_IN_SQL)).order_by(a.endpoint_id).limit(1).subquery()
    waiting = select(first.c.endpoint_id).cte("waiting", recursive=True)
    following = (
        select(b.endpoint_id)
        .where(b.state.in_(OPEN_IN_SQL), b.endpoint_id > waiting.c.endpoint_id)
        .order_by(b.endpoint_id)
        .limit(1)
        .lateral()
    )
    return waiting.union_all(select(following.c.endpoint_id).select_from(waiting).join(following, true()))


def _under_way(waiting: CTE) -> ScalarSelect[int]:
    """How many deliveries are being sent to an endpoint."""
    sending = aliased(WebhookDelivery)
    return (
        select(func.count())
        .where(
            sending.endpoint_id == waiting.c.endpoint_id,
            sending.state.in_(OPEN_IN_SQL),
            sending.state == DeliveryState.SENDING,
            sending.due_at >= func.now(),
        )
        .correlate(waiting)
        .scalar_subquery()
    )


def take(delivery_ids: Collection[UUID], for_so_long: timedelta) -> ReturningUpdate[WebhookDelivery]:
    """Begin an attempt of those that nobody else takes just now: it is counted before anything is sent.

    Until the time is over nobody else sends them; the number of attempts is the fencing token. An attempt
    that was lost with its sender does not count against the bound, unless the one before was lost, too: what
    kills its senders has an end.
    """
    free = (
        select(WebhookDelivery.id)
        .where(
            WebhookDelivery.id.in_(delivery_ids),
            WebhookDelivery.state.in_(OPEN),
            WebhookDelivery.due_at < func.now(),
        )
        .with_for_update(skip_locked=True)
    )
    before = exists().where(
        WebhookAttempt.delivery_id == WebhookDelivery.id,
        WebhookAttempt.number == WebhookDelivery.attempts - 1,
        WebhookAttempt.error == LOST,
    )
    is_forgiven = and_(WebhookDelivery.state == DeliveryState.SENDING, ~before)
    return (
        update(WebhookDelivery)
        .where(WebhookDelivery.id.in_(free))
        .values(
            state=DeliveryState.SENDING,
            attempts=WebhookDelivery.attempts + 1,
            forgiven=WebhookDelivery.forgiven + case((is_forgiven, 1), else_=0),
            due_at=func.now() + for_so_long,
        )
        .returning(WebhookDelivery)
    )


def note_lost(delivery_ids: Collection[UUID], held_for: timedelta) -> Insert:
    """Write down the attempts that ended with their sender, before these deliveries are taken again."""
    row = select(
        WebhookDelivery.id,
        WebhookDelivery.attempts,
        WebhookDelivery.due_at - held_for,
        literal(0),
        literal(LOST),
    ).where(
        WebhookDelivery.id.in_(delivery_ids),
        WebhookDelivery.state == DeliveryState.SENDING,
        WebhookDelivery.due_at < func.now(),
    )
    columns = ["delivery_id", "number", "began_at", "milliseconds", "error"]
    return upsert(WebhookAttempt).from_select(columns, row).on_conflict_do_nothing()


def save_attempts() -> Insert:
    """How attempts went, executed with a row for each; what was written of one before stays."""
    return upsert(WebhookAttempt).on_conflict_do_nothing()


def what_is_told(
    delivery_ids: Collection[UUID],
) -> Select[UUID, WebhookEndpoint, WebhookSecret, Job, Event]:
    """Whom deliveries go to, their workspaces' secrets, jobs and events: a ping has none of these two."""
    return (
        select(WebhookDelivery.id, WebhookEndpoint, WebhookSecret, Job, Event)
        .select_from(WebhookDelivery)
        .join(WebhookEndpoint, WebhookEndpoint.id == WebhookDelivery.endpoint_id)
        .outerjoin(WebhookSecret, WebhookSecret.workspace_id == WebhookDelivery.workspace_id)
        .outerjoin(Job, Job.id == WebhookDelivery.job_id)
        .outerjoin(
            Event, and_(Event.job_id == WebhookDelivery.job_id, Event.number == WebhookDelivery.event_number)
        )
        .where(WebhookDelivery.id.in_(delivery_ids))
    )


def finish(
    delivery_id: UUID, attempts: int, state: DeliveryState, status: int | None
) -> ReturningUpdate[UUID]:
    """End a delivery; nothing comes back where somebody else has taken it over."""
    return (
        _settle(delivery_id, attempts)
        .values(state=state, last_status=status, finished_at=func.clock_timestamp())
        .returning(WebhookDelivery.id)
    )


def deliver(settled: Sequence[tuple[UUID, int, int | None]]) -> Update:
    """End deliveries that arrived, by id, attempts and status; those that somebody else has taken stay."""
    rows = values(
        column("id", Uuid), column("attempts", SmallInteger), column("status", SmallInteger), name="settled"
    ).data(settled)
    return (
        update(WebhookDelivery)
        .where(
            WebhookDelivery.id == rows.c.id,
            WebhookDelivery.attempts == rows.c.attempts,
            WebhookDelivery.state == DeliveryState.SENDING,
        )
        .values(state=DeliveryState.DELIVERED, last_status=rows.c.status, finished_at=func.clock_timestamp())
        .execution_options(synchronize_session=False)
    )


def try_again(delivery_id: UUID, attempts: int, wait: timedelta, status: int | None) -> ReturningUpdate[UUID]:
    """Have a delivery wait for its next attempt."""
    return (
        _settle(delivery_id, attempts)
        .values(state=DeliveryState.WAITING, last_status=status, due_at=func.clock_timestamp() + wait)
        .returning(WebhookDelivery.id)
    )


def _settle(delivery_id: UUID, attempts: int) -> Update:
    return update(WebhookDelivery).where(
        WebhookDelivery.id == delivery_id,
        WebhookDelivery.attempts == attempts,
        WebhookDelivery.state == DeliveryState.SENDING,
    )


def hold_endpoints(endpoint_ids: Collection[UUID]) -> Select[UUID, datetime | None]:
    """Some endpoints, and since when each has failed; held until the transaction ends, in one order."""
    return (
        select(WebhookEndpoint.id, WebhookEndpoint.failing_since)
        .where(WebhookEndpoint.id.in_(endpoint_ids))
        .order_by(WebhookEndpoint.id)
        .with_for_update(key_share=True)
    )


def forget_failures(endpoint_ids: Collection[UUID]) -> Update:
    """They answered: whatever failed before is forgotten."""
    return update(WebhookEndpoint).where(WebhookEndpoint.id.in_(endpoint_ids)).values(failing_since=None)


def note_failure(endpoint_id: UUID, rest: timedelta) -> ReturningUpdate[bool]:
    """It failed, and asked for a rest; says whether it failed for so long that it is to be disabled."""
    since = func.coalesce(WebhookEndpoint.failing_since, func.now())
    until = func.greatest(WebhookEndpoint.resting_until, func.now() + rest)
    return (
        update(WebhookEndpoint)
        .where(WebhookEndpoint.id == endpoint_id)
        .values(failing_since=since, resting_until=until)
        .returning(WebhookEndpoint.failing_since < func.now() - GIVEN_UP_AFTER)
    )


def disable(endpoint_id: UUID, reason: Disabled) -> ReturningUpdate[WebhookEndpoint]:
    """Send an endpoint nothing more; it comes back if it was enabled until now."""
    return (
        update(WebhookEndpoint)
        .where(WebhookEndpoint.id == endpoint_id, WebhookEndpoint.enabled)
        .values(enabled=False, disabled_because=reason)
        .returning(WebhookEndpoint)
    )


def fail_what_waits(endpoint_id: UUID) -> Update:
    """What was on its way to an endpoint that is disabled, to be recovered once it is enabled again."""
    return (
        update(WebhookDelivery)
        .where(WebhookDelivery.endpoint_id == endpoint_id, WebhookDelivery.state.in_(OPEN))
        .values(state=DeliveryState.FAILED, finished_at=func.clock_timestamp())
    )


def save_notice(workspace_id: int, kind: str, data: dict[str, Any]) -> Insert:
    """Something that a workspace should hear of, beside its jobs."""
    return insert(Notice).values(workspace_id=workspace_id, kind=kind, data=data)
