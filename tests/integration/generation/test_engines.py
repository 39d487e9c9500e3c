"""The engines of a worker: loaded when they are needed, few kept, and no added model stops the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
import torch
from sqlalchemy import Engine as Database

from cli.added_models import add, remove
from shared.catalog import MANIFEST, WEIGHTS, Catalog, Model, open_model
from shared.database.engines import sync_engine
from shared.errors import CheckpointCorrupt, ModelNotFound
from shared.jobs.states import JobState
from shared.results.part import decode_part
from shared.shelf import Shelf
from shared.storage.objects import ObjectStorage, open_storage
from tests.support.jobs import read_chunks, read_job, save_job
from tests.support.models import tiny_catalog, tiny_model
from tests.support.processes import wait_until
from worker.generation.claim import Claimant
from worker.generation.engines import Engines
from worker.generation.following import followed, look
from worker.generation.heartbeat import Heartbeat, WorkerCard
from worker.generation.pipeline import Pipeline
from worker.generation.plugs import Plugs
from worker.inference.engine import Engine

LAB = "my-lab-bulk"
GENES = {1: 40, 2: 50}
LEASE = timedelta(seconds=30)


@dataclass
class Workshop:
    """A worker without Celery, and the models that are added beside it."""

    database: Database
    storage: ObjectStorage
    folder: Path
    starters: Catalog
    loaded: list[tuple[str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.shelf = Shelf(self.starters, self.storage, self.folder / "cache")

    def engines(self, most: int = 4) -> Engines:
        """Engines that note what they load."""
        return Engines(self.shelf, self._load, most)

    def trained(self, version: int) -> Model:
        """A version of the lab's model, as training leaves it."""
        return tiny_model(self.folder / str(version), GENES[version], LAB, seed=version)

    def add(self, model: Model) -> int:
        """Add it; returns its version."""
        return add(self.database, self.storage, self.starters, model).version

    def drain(self, engines: Engines) -> int:
        """Work as a woken worker does, until nothing is queued."""
        card = WorkerCard("w", "cpu", engines.claimable)
        with Heartbeat(self.database, card, LEASE, timedelta(seconds=1)) as heartbeat:
            plugs = Plugs(self.database, self.storage, heartbeat, engines)
            pipeline = Pipeline(plugs, Claimant("w", engines.claimable, LEASE, 64), 3)
            try:
                return pipeline.drain(lambda: False)
            finally:
                pipeline.close()

    def _load(self, model: Model) -> Engine:
        self.loaded.append((model.model_id, model.version))
        return Engine.open(model, torch.device("cpu"))


@pytest.fixture
def workshop(database_url: str, tmp_path: Path) -> Iterator[Workshop]:
    database = sync_engine(database_url)
    storage = open_storage(f"file://{tmp_path}/objects")
    yield Workshop(database, storage, tmp_path, tiny_catalog(tmp_path / "starters", genes=30))
    database.dispose()


def test_a_job_runs_on_its_own_version_whatever_was_added_or_removed_since(workshop: Workshop) -> None:
    engines = workshop.engines()
    workshop.add(workshop.trained(1))
    old = save_job(workshop.database, [3], model_id=LAB, model_version=1)
    workshop.add(workshop.trained(2))
    new = save_job(workshop.database, [3], model_id=LAB, model_version=2)
    remove(workshop.database, workshop.starters, LAB, 1)
    assert workshop.drain(engines) == 6
    for job_id, version in ((old, 1), (new, 2)):
        assert read_job(workshop.database, job_id).state == JobState.READY
        for chunk in read_chunks(workshop.database, job_id):
            part = decode_part(workshop.storage.get(chunk.part_key or ""))
            assert {len(counts) for counts in part.column("counts").to_pylist()} == {GENES[version]}


def test_a_worker_claims_only_the_versions_that_it_holds(workshop: Workshop) -> None:
    unheld = save_job(workshop.database, [2], model_version=5)
    held = save_job(workshop.database, [2], model_version=1)
    assert workshop.drain(workshop.engines()) == 2
    assert read_job(workshop.database, unheld).state == JobState.QUEUED
    assert read_job(workshop.database, held).state == JobState.READY


def test_the_least_recently_used_engine_goes_when_another_is_needed(workshop: Workshop) -> None:
    workshop.add(workshop.trained(1))
    look(workshop.database, workshop.shelf)
    engines = workshop.engines(most=2)
    for model_id in ("gem-1-bulk", "gem-1-sc", "gem-1-bulk", LAB, "gem-1-bulk", "gem-1-sc"):
        assert engines.of(model_id, 1).model.model_id == model_id
    assert [model_id for model_id, _ in workshop.loaded] == ["gem-1-bulk", "gem-1-sc", LAB, "gem-1-sc"]


def test_every_way_of_asking_a_model_shares_its_engine(workshop: Workshop) -> None:
    engines = workshop.engines()
    assert engines.of("gem-1-bulk", 1) is engines.of("gem-1-bulk_predict-metadata", 1)


def test_what_is_not_held_is_not_loaded(workshop: Workshop) -> None:
    with pytest.raises(ModelNotFound, match="version 9 of gem-1-bulk"):
        workshop.engines().of("gem-1-bulk", 9)


def test_a_worker_starts_with_the_newest_versions_and_without_an_added_one_that_cannot_be_loaded(
    workshop: Workshop,
) -> None:
    model = graft(workshop.trained(1), workshop.trained(2))
    workshop.add(model)
    look(workshop.database, workshop.shelf)
    engines = workshop.engines()
    engines.preload()
    assert workshop.loaded == [("gem-1-bulk", 1), ("gem-1-sc", 1), (LAB, 1)]
    with pytest.raises(CheckpointCorrupt, match="different models"):
        engines.of(LAB, 1)
    assert len(workshop.loaded) == 3, "what cannot be loaded is not tried again"


def test_a_model_that_is_corrupt_in_the_storage_is_never_claimed_and_the_others_are_served(
    workshop: Workshop,
) -> None:
    workshop.add(workshop.trained(1))
    workshop.storage.put(f"models/{LAB}/1/{WEIGHTS}", b"other bytes")
    corrupt = save_job(workshop.database, [2], model_id=LAB)
    sound = save_job(workshop.database, [2])
    engines = workshop.engines()
    assert workshop.drain(engines) == 2
    assert LAB not in engines.claimable()
    assert read_job(workshop.database, sound).state == JobState.READY
    assert {chunk.attempts for chunk in read_chunks(workshop.database, corrupt)} == {0}


def test_an_idle_worker_learns_of_a_model_without_being_woken(workshop: Workshop) -> None:
    engines = workshop.engines()
    with followed(workshop.database, workshop.shelf, every=timedelta(milliseconds=20)):
        assert LAB not in engines.claimable()
        workshop.add(workshop.trained(1))
        wait_until(lambda: LAB in engines.claimable())
        assert engines.claimable()[LAB] == [1]


def graft(model: Model, weights_of: Model) -> Model:
    """A model with another one's weights, and a manifest that vouches for them."""
    weights = (weights_of.directory / WEIGHTS).read_bytes()
    (model.directory / WEIGHTS).write_bytes(weights)
    path = model.directory / MANIFEST
    manifest = orjson.loads(path.read_bytes())
    manifest["digests"][WEIGHTS] = weights_of.manifest.weights_digest
    path.write_bytes(orjson.dumps(manifest))
    return open_model(model.directory)
