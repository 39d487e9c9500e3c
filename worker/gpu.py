"""The generation worker: loads every model once, then answers wake-ups. `python -m worker.gpu`."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Mapping

import structlog

from shared.catalog import Catalog
from shared.database.engines import sync_engine
from shared.messages import WAKE_GENERATION, Queue
from shared.queue import WakeUps, celery_app
from shared.settings import WorkerSettings
from shared.storage.objects import Credentials, open_storage
from worker.generation.claim import Claimant
from worker.generation.heartbeat import Heartbeat, WorkerCard
from worker.generation.pipeline import Pipeline, Plugs
from worker.generation.warm_up import warm_up
from worker.inference.devices import choose_device
from worker.inference.engine import Engine
from worker.tasks import generation
from worker.tasks.process import run_worker, start

log = structlog.get_logger()


def run(settings: WorkerSettings) -> None:
    """Compose the worker and run it."""
    engines = load_engines(settings)
    device = next(iter(engines.values())).device
    database = sync_engine(settings.database_url.get_secret_value())
    worker_id = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
    versions = {model_id: engine.model.manifest.version for model_id, engine in engines.items()}
    card = WorkerCard(worker_id, device, versions)
    claimant = Claimant(worker_id, tuple(engines), settings.lease, settings.batch_samples)
    app = celery_app("genequeue.gpu", settings.redis_url.get_secret_value())
    wake_ups = WakeUps(app)
    with Heartbeat(database, card, settings.lease, settings.heartbeat) as heartbeat:
        plugs = Plugs(
            database,
            open_storage(settings.storage_url, Credentials(*settings.storage_keys)),
            heartbeat,
            engines,
        )
        pipeline = Pipeline(plugs, claimant, settings.max_attempts)
        generation.register(app, pipeline)
        log.info("worker.ready", worker=worker_id, device=device, models=versions)
        # What was queued while no worker lived is not waited for.
        wake_ups.ask(WAKE_GENERATION)
        run_worker(app, Queue.GENERATION)
        pipeline.close()


def load_engines(settings: WorkerSettings) -> Mapping[str, Engine]:
    """Every model of the catalog, its digests checked, loaded on the device. Raises CheckpointError."""
    catalog = Catalog.open(settings.models_dir)
    device = choose_device(settings.device)
    engines = {model_id: Engine.open(model, device) for model_id, model in catalog.models.items()}
    for engine in engines.values():
        warm_up(engine)
        log.info("model.loaded", model=engine.model.model_id, device=engine.device)
    return engines


if __name__ == "__main__":
    start("gpu", run)
