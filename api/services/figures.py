"""The figures that are read off the rows when Prometheus asks: what waits, who works."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from typing import Any

from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector, CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from shared import metrics
from shared.database.engines import async_transaction
from shared.database.queries import diagnosis
from shared.database.queries.delivery_diagnosis import open_deliveries
from shared.database.queries.workers import live_upkeep, live_workers
from shared.errors import DatabaseUnavailable
from shared.jobs.lanes import Lane
from shared.jobs.states import ChunkState

_HEARD_OF = timedelta(seconds=15)
_OVERDUE = timedelta(seconds=30)
_OPEN = (ChunkState.QUEUED, ChunkState.RUNNING)

Version = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the rows say at one moment, as the statements gave it; of workers, the models that each holds."""

    work: Sequence[Any]
    jobs: Sequence[Any]
    workers: Sequence[Collection[Version]]
    upkeep: int = 0
    deliveries: tuple[int, int] = (0, 0)  # open; endpoints whose next one is overdue


async def all_figures(engine: AsyncEngine, offered: Collection[Version]) -> bytes:
    """Everything that this process shows, in Prometheus' text format, also while the database is away."""
    try:
        snapshot = await _look(engine)
    except DatabaseUnavailable:
        snapshot = None
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once(lambda: families(snapshot, offered)))
    return generate_latest(registry) + generate_latest(metrics.API)


def families(snapshot: Snapshot | None, offered: Collection[Version]) -> Iterator[Metric]:
    """The gauges of a snapshot; a model that is offered is shown at zero when nothing is asked of it."""
    readable = metrics.ROWS_READABLE.family()
    readable.add_metric((), float(snapshot is not None))
    yield readable
    if snapshot is not None:
        yield from _work_families(snapshot, offered)
        yield from _worker_families(snapshot, offered)
        yield from _delivery_families(*snapshot.deliveries)


def _work_families(snapshot: Snapshot, offered: Collection[Version]) -> Iterator[Metric]:
    rows = {tuple(row[:4]): row[4:] for row in snapshot.work}
    chunks, samples = metrics.OPEN_CHUNKS.family(), metrics.OPEN_SAMPLES.family()
    oldest = metrics.OLDEST_QUEUED.family()
    versions = sorted({*offered, *((model, version) for model, version, *_ in rows)})
    for (model, version), lane, state in product(versions, Lane, _OPEN):
        count, total, age = rows.get((model, version, lane, state), (0, 0, timedelta()))
        chunks.add_metric((model, str(version), lane, state), count)
        samples.add_metric((model, str(version), lane, state), total)
        if state is ChunkState.QUEUED:
            oldest.add_metric((model, str(version), lane), age.total_seconds())
    jobs = metrics.OPEN_JOBS.family()
    for model, state, count in snapshot.jobs:
        jobs.add_metric((model, state), count)
    yield from (chunks, samples, oldest, jobs)


def _worker_families(snapshot: Snapshot, offered: Collection[Version]) -> Iterator[Metric]:
    live, upkeep = metrics.LIVE_WORKERS.family(), metrics.LIVE_UPKEEP.family()
    live.add_metric((), len(snapshot.workers))
    upkeep.add_metric((), snapshot.upkeep)
    holding = metrics.HOLDING_WORKERS.family()
    wanted = {(model, version) for model, version, *_ in snapshot.work}
    held = (version for worker in snapshot.workers for version in worker)
    for model, version in sorted({*offered, *wanted, *held}):
        count = sum((model, version) in worker for worker in snapshot.workers)
        holding.add_metric((model, str(version)), count)
    yield from (live, upkeep, holding)


def _delivery_families(waiting: int, overdue: int) -> Iterator[Metric]:
    for gauge, value in ((metrics.OPEN_DELIVERIES, waiting), (metrics.OVERDUE_ENDPOINTS, overdue)):
        family = gauge.family()
        family.add_metric((), value)
        yield family


async def _look(engine: AsyncEngine) -> Snapshot:
    async with async_transaction(engine) as session:
        work = (await session.execute(diagnosis.open_work())).all()
        jobs = (await session.execute(diagnosis.open_jobs())).all()
        workers = (await session.scalars(live_workers(_HEARD_OF))).all()
        upkeep = (await session.scalars(live_upkeep(_HEARD_OF))).one()
        waiting, overdue, _ = (await session.execute(open_deliveries(_OVERDUE))).one()
    held = [_versions(worker.models) for worker in workers]
    return Snapshot(work, jobs, held, upkeep, (waiting, overdue))


def _versions(models: dict[str, list[int]]) -> set[Version]:
    return {(model, version) for model, versions in models.items() for version in versions}


class _Once(Collector):
    """What a registry asks for figures that are made at the moment."""

    def __init__(self, make: Callable[[], Iterable[Metric]]) -> None:
        self._make = make

    def collect(self) -> Iterable[Metric]:
        return self._make()
