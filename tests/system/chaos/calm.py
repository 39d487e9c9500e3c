"""Once a storm is over: waiting until all is done, deleting what was to be, sweeping what is nobody's."""

from __future__ import annotations

import random
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from shared.database.engines import sync_engine
from shared.storage.objects import open_storage
from tests.system.chaos.customer import Customer, StormOver, Town
from tests.system.chaos.ledger import Ledger, Wish
from tests.system.chaos.stage import Stage
from worker.generation.retention import sweep_inputs, sweep_results

_PATIENCE_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Swept:
    """How many objects lost attempts had left, and how many submits that were never committed left counts."""

    results: int
    submits: int


def calm(stage: Stage) -> float:
    """Wait until every process is alive, then until nothing is left to do; returns the latter's seconds."""
    stage.wait(stage.is_whole)
    began = time.monotonic()
    while _unfinished(stage) and time.monotonic() - began < _PATIENCE_SECONDS:
        stage.tend()
        time.sleep(0.1)
    # Two sweeps more: upkeep may tidy up.
    settled = time.monotonic() + 1.5
    while time.monotonic() < settled:
        stage.tend()
        time.sleep(0.1)
    return time.monotonic() - began - 1.5


def finish_deletions(stage: Stage, ledger: Ledger) -> None:
    """Ask again for every deletion that was asked for: the storm may have ended before its answer."""
    calm = Town(stage.urls, ledger, {}, threading.Event())
    wished = ledger.wishes(Wish.DELETE)
    for key in stage.keys:
        customer = Customer(calm, key, random.Random(0))
        with suppress(StormOver):
            for job in ledger.accepted:
                if job.key == key and job.job_id in wished:
                    customer.delete(job)
        customer.close()


def sweep(stage: Stage) -> Swept:
    """What upkeep does an hour later, at once."""
    engine = sync_engine(stage.database_url, pool_size=1)
    storage = open_storage(stage.disk.objects.as_uri())
    try:
        return Swept(
            sweep_results(engine, storage, timedelta.min), sweep_inputs(engine, storage, timedelta.min)
        )
    finally:
        engine.dispose()


def _unfinished(stage: Stage) -> int:
    with stage.database() as connection:
        row = connection.execute("SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')").fetchone()
    assert row is not None
    return int(row[0])
