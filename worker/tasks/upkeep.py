"""The periodic sweeps as Celery tasks, and their places in beat's schedule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog
from celery import Celery
from sqlalchemy import Engine

from shared.errors import Unavailable
from shared.messages import WAKE_GENERATION, Queue, Task
from shared.queue import WakeUps
from shared.storage.port import Storage
from worker.generation.recovery import recover
from worker.generation.removal import delete_removed_models
from worker.generation.retention import (
    expire_results,
    forget_idempotency_keys,
    sweep_inputs,
    sweep_results,
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What the sweeps are plugged into, and how often they run."""

    database: Engine
    storage: Storage
    wake_ups: WakeUps
    max_attempts: int
    sweep_every: timedelta
    expire_every: timedelta
    tidy_every: timedelta


def register(app: Celery, upkeep: Upkeep) -> None:
    """Have `app` do upkeep."""
    _periodic(app, Task.SWEEP, upkeep.sweep_every, lambda: _sweep(upkeep))
    _periodic(app, Task.EXPIRE, upkeep.expire_every, lambda: _expire(upkeep))
    _periodic(app, Task.TIDY, upkeep.tidy_every, lambda: _tidy(upkeep))


def _periodic(app: Celery, name: Task, every: timedelta, action: Callable[[], None]) -> None:
    @app.task(name=str(name))
    def task() -> None:
        try:
            action()
        except Unavailable as error:
            log.warning("upkeep.skipped", task=str(name), error=str(error))

    seconds = every.total_seconds()
    app.conf.beat_schedule[str(name)] = {
        "task": str(name),
        "schedule": seconds,
        # What waited longer than this is covered by the next one.
        "options": {"queue": str(Queue.UPKEEP), "expires": 5 * seconds},
    }


def _sweep(upkeep: Upkeep) -> None:
    recovered = recover(upkeep.database, upkeep.storage, upkeep.max_attempts)
    if recovered.waiting_models:
        upkeep.wake_ups.ask(WAKE_GENERATION)


def _expire(upkeep: Upkeep) -> None:
    expire_results(upkeep.database, upkeep.storage)
    if deleted := delete_removed_models(upkeep.database, upkeep.storage):
        log.info("models.deleted", prefixes=deleted)
    forget_idempotency_keys(upkeep.database)


def _tidy(upkeep: Upkeep) -> None:
    """What has to look at every object that there is."""
    if unsaved := sweep_inputs(upkeep.database, upkeep.storage):
        log.info("inputs.swept", submits=unsaved)
    if orphans := sweep_results(upkeep.database, upkeep.storage):
        log.info("results.swept", objects=orphans)
