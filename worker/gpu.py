"""The generation worker: loads the newest models, then answers wake-ups and looks for work without them.

`python -m worker.gpu`.
"""

from __future__ import annotations

import structlog

from shared.catalog import Catalog
from shared.database.engines import sync_engine
from shared.messages import Queue
from shared.queue import celery_app
from shared.settings import WorkerSettings
from shared.shelf import Shelf
from shared.storage.objects import Credentials, open_storage
from worker.generation.canary import canary_of, compare
from worker.generation.claim import Claimant
from worker.generation.engines import Engines
from worker.generation.following import followed
from worker.generation.heartbeat import Heartbeat, WorkerCard
from worker.generation.pipeline import Pipeline
from worker.generation.plugs import Plugs
from worker.generation.watchdog import Watchdog, watched
from worker.inference.devices import choose_device, device_name
from worker.inference.engine import Engine
from worker.tasks import generation
from worker.tasks.clock import Round, ticking
from worker.tasks.process import end_at_once, end_in_order_when_told, name_of_this_process, run_worker, start

log = structlog.get_logger()


def run(settings: WorkerSettings) -> None:
    """Compose the worker and run it."""
    database = sync_engine(settings.database_url.get_secret_value())
    storage = open_storage(settings.storage_url, Credentials(*settings.storage_keys))
    shelf = Shelf(Catalog.open(settings.models_dir), storage, settings.models_cache)
    device = choose_device(settings.device)
    with followed(database, shelf):
        engines = Engines(shelf, lambda model: Engine.open(model, device), settings.models_in_memory)
        engines.preload(lambda engine, digest: compare(database, canary_of(engine, digest)))
        worker_id = name_of_this_process()
        card = WorkerCard(worker_id, device_name(device), engines.claimable)
        claimant = Claimant(
            worker_id, engines.claimable, settings.lease, settings.batch_samples, settings.bulk_patience
        )
        with Heartbeat(database, card, settings.lease, settings.heartbeat) as heartbeat:
            plugs = Plugs(database, storage, heartbeat, engines)
            pipeline = Pipeline(plugs, claimant, settings.max_attempts)
            with watched(Watchdog(database, claimant, pipeline.asked, settings.watchdog, end_at_once)):
                answer_wake_ups(settings, pipeline, card)


def answer_wake_ups(settings: WorkerSettings, pipeline: Pipeline, card: WorkerCard) -> None:
    """Work until the process is told to stop."""
    app = celery_app("genequeue.gpu", settings.redis_url.get_secret_value())
    drains = generation.Drains(pipeline, settings.memory_bytes)
    generation.register(app, drains)
    log.info("worker.ready", worker=card.id, device=card.device, models=card.models())
    end_in_order_when_told()  # work begins before Celery is up
    with ticking([Round("look", settings.look_interval, drains.unasked)], end_at_once):
        try:
            run_worker(app, Queue.GENERATION)
        finally:
            drains.close()


if __name__ == "__main__":
    start("gpu", WorkerSettings, run)
