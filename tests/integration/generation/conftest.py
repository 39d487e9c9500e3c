"""A pipeline on a real Postgres, a real storage and a real engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import pyarrow as pa
import pytest
import torch
from sqlalchemy import Engine as DatabaseEngine

from shared.catalog import Catalog
from shared.database.engines import sync_engine
from shared.results.part import decode_part
from shared.shelf import Shelf
from shared.storage.objects import ObjectStorage, open_storage
from tests.support.jobs import read_chunks
from tests.support.models import tiny_catalog
from tests.support.processes import wait_until
from worker.generation.claim import Claimant
from worker.generation.engines import Engines
from worker.generation.heartbeat import Heartbeat, WorkerCard
from worker.generation.pipeline import Pipeline
from worker.generation.plugs import Plugs
from worker.inference.engine import Engine

LEASE = timedelta(seconds=30)


@pytest.fixture
def engine(database_url: str) -> Iterator[DatabaseEngine]:
    made = sync_engine(database_url)
    yield made
    made.dispose()


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return tiny_catalog(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def engines(catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Engines:
    folder = tmp_path_factory.mktemp("added")
    shelf = Shelf(catalog, open_storage(f"file://{folder}/objects"), folder / "cache")
    return Engines(shelf, lambda model: Engine.open(model, torch.device("cpu")), 4)


@dataclass
class Beats:
    """How often a heart began to beat: it asks for the models each time, and renews its leases after that."""

    begun: int = 0

    def __call__(self) -> dict[str, list[int]]:
        self.begun += 1
        return {}

    def wait(self) -> None:
        """Until the heart has beaten once, from the beginning to the end."""
        last = self.begun + 2  # one may have begun before, and the next ends before the one after it begins
        wait_until(lambda: self.begun >= last)


@dataclass
class Workshop:
    """A pipeline with its plugs within reach."""

    database: DatabaseEngine
    storage: ObjectStorage
    heartbeat: Heartbeat
    engines: Engines
    beats: Beats = field(default_factory=Beats)

    def pipeline(self, batch_samples: int = 64) -> Pipeline:
        plugs = Plugs(self.database, self.storage, self.heartbeat, self.engines)
        return Pipeline(plugs, Claimant("worker", self.engines.claimable, LEASE, batch_samples), 3)

    def drain(self, batch_samples: int = 64) -> int:
        pipeline = self.pipeline(batch_samples)
        try:
            return pipeline.drain(lambda: False)
        finally:
            pipeline.close()

    def parts(self, job_id: UUID) -> list[bytes]:
        chunks = read_chunks(self.database, job_id)
        return [self.storage.get(chunk.part_key) for chunk in chunks if chunk.part_key]

    def table(self, job_id: UUID) -> pa.Table:
        return pa.concat_tables([decode_part(part) for part in self.parts(job_id)])


@pytest.fixture
def workshop(database_url: str, storage_url: str, engines: Engines) -> Iterator[Workshop]:
    database = sync_engine(database_url)
    beats = Beats()
    card = WorkerCard("worker", "cpu", beats)
    with Heartbeat(database, card, LEASE, timedelta(seconds=0.2)) as heartbeat:
        yield Workshop(database, open_storage(storage_url), heartbeat, engines, beats)
    database.dispose()
