"""The upkeep worker: makes its rounds by a clock of its own, whatever the broker does, and answers its queue.

Never reaches torch. `python -m worker.cpu`.
"""

from __future__ import annotations

import structlog

from shared.database.engines import sync_engine
from shared.messages import Queue
from shared.queue import WakeUps, celery_app
from shared.settings import WorkerSettings
from shared.storage.objects import Credentials, open_storage
from worker.tasks.process import end_in_order_when_told, name_of_this_process, run_worker, start
from worker.tasks.upkeep import Upkeep, kept_up

log = structlog.get_logger()


def run(settings: WorkerSettings) -> None:
    """Compose the worker and run it."""
    app = celery_app("genequeue.cpu", settings.redis_url.get_secret_value())
    upkeep = Upkeep(
        worker_id=name_of_this_process(),
        database=sync_engine(settings.database_url.get_secret_value(), pool_size=2),
        storage=open_storage(settings.storage_url, Credentials(*settings.storage_keys)),
        wake_ups=WakeUps(app),
        max_attempts=settings.max_attempts,
        sweep_every=settings.sweep_interval,
        expire_every=settings.expire_interval,
        tidy_every=settings.tidy_interval,
    )
    end_in_order_when_told()  # the rounds begin before Celery is up
    with kept_up(upkeep):
        log.info("worker.ready", worker=upkeep.worker_id)
        run_worker(app, Queue.UPKEEP)


if __name__ == "__main__":
    start("cpu", run)
