"""The rounds of upkeep: what is done, and how often. They need Postgres and the storage, and no broker.

Two upkeep processes at once do no harm: what one has locked the other passes over, and all can be repeated.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog
from sqlalchemy import Engine

from shared.database.engines import transaction
from shared.database.queries import workers
from shared.database.tables import Role
from shared.errors import DatabaseUnavailable
from shared.messages import WAKE_GENERATION
from shared.queue import WakeUps
from shared.storage.port import Storage
from worker.generation.bodies import expire_uploads, sweep_bodies, sweep_reports
from worker.generation.recovery import recover
from worker.generation.removal import delete_removed_models
from worker.generation.retention import (
    expire_results,
    forget_idempotency_keys,
    sweep_inputs,
    sweep_results,
)
from worker.tasks.clock import Round, ticking
from worker.tasks.process import end_at_once
from worker.webhooks.forgetting import forget_old_deliveries

log = structlog.get_logger()

# A sweep has a few statements of a minute at most; what deletes objects may take its time.
_SWEEP_HANGS, _DELETING_HANGS = timedelta(minutes=3), timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What the rounds are plugged into, and how often they are made."""

    worker_id: str
    database: Engine
    storage: Storage
    wake_ups: WakeUps
    max_attempts: int
    sweep_every: timedelta
    expire_every: timedelta
    tidy_every: timedelta
    keep_reports: timedelta


@contextmanager
def kept_up(upkeep: Upkeep) -> Iterator[None]:
    """Make the rounds in the block; those in hand at its end are left behind after a moment."""
    rounds = (
        Round("sweep", upkeep.sweep_every, partial(_sweep, upkeep), _SWEEP_HANGS),
        Round("expire", upkeep.expire_every, partial(_expire, upkeep), _DELETING_HANGS),
        Round("tidy", upkeep.tidy_every, partial(_tidy, upkeep), _DELETING_HANGS),
    )
    try:
        with ticking(rounds, end_at_once):
            yield
    finally:
        _retire(upkeep)


def _sweep(upkeep: Upkeep) -> None:
    recovered = recover(upkeep.database, upkeep.storage, upkeep.max_attempts)
    if recovered.waiting_models or recovered.taken_back:
        upkeep.wake_ups.ask(WAKE_GENERATION)
    host, pid = socket.gethostname(), os.getpid()
    with transaction(upkeep.database) as session:
        session.execute(workers.announce(upkeep.worker_id, host, pid, "", {}, Role.UPKEEP))


def _expire(upkeep: Upkeep) -> None:
    while expire_results(upkeep.database, upkeep.storage):
        pass
    while expire_uploads(upkeep.database, upkeep.storage):
        pass
    if deleted := delete_removed_models(upkeep.database, upkeep.storage):
        log.info("models.deleted", prefixes=deleted)
    forget_idempotency_keys(upkeep.database)
    if forgotten := forget_old_deliveries(upkeep.database):
        log.info("webhooks.forgotten", rows=forgotten)


def _tidy(upkeep: Upkeep) -> None:
    """What has to look at every object that there is."""
    if unsaved := sweep_inputs(upkeep.database, upkeep.storage):
        log.info("inputs.swept", submits=unsaved)
    if orphans := sweep_results(upkeep.database, upkeep.storage):
        log.info("results.swept", objects=orphans)
    if abandoned := sweep_bodies(upkeep.database, upkeep.storage):
        log.info("uploads.swept", uploads=abandoned)
    if reports := sweep_reports(upkeep.storage, upkeep.keep_reports):
        log.info("reports.swept", objects=reports)


def _retire(upkeep: Upkeep) -> None:
    try:
        with transaction(upkeep.database) as session:
            session.execute(workers.retire(upkeep.worker_id))
    except DatabaseUnavailable as error:
        log.warning("upkeep.not_retired", error=str(error))
