"""Statements about workers that say they are alive: those that compute, and those of upkeep."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Delete, Insert, Select, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from shared.database.tables import Role, Worker


def announce(
    worker_id: str, host: str, pid: int, device: str, models: dict[str, Any], role: Role = Role.GENERATION
) -> Insert:
    """Say that a worker is alive: once at its start, then at each heartbeat, or each sweep of upkeep."""
    statement = insert(Worker).values(
        id=worker_id, role=role, host=host, pid=pid, device=device, models=models
    )
    return statement.on_conflict_do_update(
        index_elements=[Worker.id], set_={"seen_at": func.now(), "models": statement.excluded.models}
    )


def live_workers(within: timedelta) -> Select[Worker]:
    """The generation workers that were heard of within that time."""
    computing = (Worker.role == Role.GENERATION, Worker.seen_at > func.now() - within)
    return select(Worker).where(*computing).order_by(Worker.started_at)


def live_upkeep(within: timedelta) -> Select[int]:
    """How many upkeep workers swept within that time."""
    return select(func.count()).where(Worker.role == Role.UPKEEP, Worker.seen_at > func.now() - within)


def retire(worker_id: str) -> Delete:
    """A worker that stops in good order."""
    return delete(Worker).where(Worker.id == worker_id)


def forget_silent_workers(after: timedelta) -> Delete:
    """Remove workers that were not heard of for that long."""
    return delete(Worker).where(Worker.seen_at < func.now() - after)
