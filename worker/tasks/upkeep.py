"""The periodic sweep as a Celery task, and its place in beat's schedule."""

from __future__ import annotations

import structlog
from celery import Celery
from sqlalchemy import Engine

from shared.errors import DatabaseUnavailable
from shared.messages import WAKE_GENERATION, Queue, Task
from shared.queue import WakeUps
from shared.settings import WorkerSettings
from worker.generation.recovery import recover

log = structlog.get_logger()


def register(app: Celery, engine: Engine, wake_ups: WakeUps, settings: WorkerSettings) -> None:
    """Have `app` sweep every `sweep_interval`."""

    @app.task(name=str(Task.SWEEP))
    def sweep() -> None:
        try:
            recovered = recover(engine, settings.max_attempts)
        except DatabaseUnavailable as error:
            log.warning("sweep.skipped", error=str(error))
            return
        if recovered.taken_back or recovered.failed_jobs:
            log.warning("leases.taken_back", chunks=recovered.taken_back, failed_jobs=recovered.failed_jobs)
        if recovered.waiting_models:
            wake_ups.ask(WAKE_GENERATION)

    seconds = settings.sweep_interval.total_seconds()
    app.conf.beat_schedule = {
        "sweep": {
            "task": str(Task.SWEEP),
            "schedule": seconds,
            # A sweep that waited longer than this is covered by the next one.
            "options": {"queue": str(Queue.UPKEEP), "expires": 5 * seconds},
        }
    }
