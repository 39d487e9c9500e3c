"""Statements about generation workers that say they are alive."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Delete, Insert, Select, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from shared.database.tables import Worker


def announce(worker_id: str, host: str, pid: int, device: str, models: dict[str, Any]) -> Insert:
    """Say that a worker is alive: once at its start, then at each heartbeat."""
    statement = insert(Worker).values(id=worker_id, host=host, pid=pid, device=device, models=models)
    return statement.on_conflict_do_update(
        index_elements=[Worker.id], set_={"seen_at": func.now(), "models": statement.excluded.models}
    )


def live_workers(within: timedelta) -> Select[Worker]:
    """The workers that were heard of within that time."""
    return select(Worker).where(Worker.seen_at > func.now() - within).order_by(Worker.started_at)


def retire(worker_id: str) -> Delete:
    """A worker that stops in good order."""
    return delete(Worker).where(Worker.id == worker_id)


def forget_silent_workers(after: timedelta) -> Delete:
    """Remove workers that were not heard of for that long."""
    return delete(Worker).where(Worker.seen_at < func.now() - after)
