"""The upkeep worker: periodic work, with its clock inside. Never reaches torch. `python -m worker.cpu`."""

from __future__ import annotations

import structlog
from celery import Celery
from celery.beat import EmbeddedService, Scheduler

from shared.database.engines import sync_engine
from shared.messages import Queue
from shared.queue import WakeUps, celery_app
from shared.settings import WorkerSettings
from shared.storage.objects import Credentials, open_storage
from worker.tasks import upkeep
from worker.tasks.process import run_worker, start

log = structlog.get_logger()


def run(settings: WorkerSettings) -> None:
    """Compose the worker and run it."""
    app = celery_app("genequeue.cpu", settings.redis_url.get_secret_value())
    database = sync_engine(settings.database_url.get_secret_value(), pool_size=2)
    plugs = upkeep.Upkeep(
        database=database,
        storage=open_storage(settings.storage_url, Credentials(*settings.storage_keys)),
        wake_ups=WakeUps(app),
        max_attempts=settings.max_attempts,
        sweep_every=settings.sweep_interval,
        expire_every=settings.expire_interval,
        tidy_every=settings.tidy_interval,
    )
    upkeep.register(app, plugs)
    start_beat(app)
    log.info("worker.ready")
    run_worker(app, Queue.UPKEEP)


def start_beat(app: Celery) -> None:
    """Beat in a thread of this process: it ends with it, and keeps no schedule on disk."""
    beat = EmbeddedService(app, thread=True, scheduler_cls=Scheduler, max_interval=1)
    beat.start()


if __name__ == "__main__":
    start("cpu", run)
