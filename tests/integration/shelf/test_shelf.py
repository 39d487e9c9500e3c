"""Added models, from the table and the storage to the catalog of a process."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine

from cli.added_models import add, remove
from shared.catalog import MANIFEST, WEIGHTS, Catalog, Model
from shared.database.engines import sync_engine, transaction
from shared.database.queries.models import all_models
from shared.database.tables import AddedModel
from shared.errors import ModelNotFound, ModelUnusable
from shared.shelf import Shelf
from shared.storage.objects import ObjectStorage, open_storage
from tests.support.catalogs import unread_model
from worker.generation.following import look

LAB = "my-lab-bulk"


@dataclass(frozen=True)
class Room:
    """A database, a storage, the starters, and a folder for what a test trains."""

    engine: Engine
    storage: ObjectStorage
    starters: Catalog
    folder: Path

    def trained(self, weights: bytes, model_id: str = LAB) -> Model:
        """A model directory as a user's training leaves it."""
        return unread_model(self.folder / weights[:8].hex(), model_id, weights=weights)

    def add(self, weights: bytes, model_id: str = LAB) -> int:
        """Add such a model; returns its version."""
        return add(self.engine, self.storage, self.starters, self.trained(weights, model_id)).version

    def shelf(self, cache: str = "cache") -> Shelf:
        """A new process's shelf, after its first look."""
        shelf = Shelf(self.starters, self.storage, self.folder / cache)
        look(self.engine, shelf)
        return shelf

    def rows(self) -> list[AddedModel]:
        """The table as it is."""
        with transaction(self.engine) as session:
            return list(session.scalars(all_models()))


@pytest.fixture
def room(database_url: str, storage_url: str, tmp_path: Path) -> Iterator[Room]:
    unread_model(tmp_path / "starters")
    starters = Catalog.open(tmp_path / "starters")
    engine = sync_engine(database_url)
    yield Room(engine, open_storage(storage_url), starters, tmp_path)
    engine.dispose()


def test_an_added_model_is_served_byte_for_byte_beside_the_starters(room: Room) -> None:
    trained = room.trained(b"one")
    room.add(b"one")
    found = room.shelf().catalog.get(LAB)
    assert (found.directory / WEIGHTS).read_bytes() == (trained.directory / WEIGHTS).read_bytes()
    assert found.manifest.digests == trained.manifest.digests
    assert found.added_at is not None
    assert room.shelf().catalog.get("gem-1-bulk").added_at is None


def test_a_process_that_runs_learns_of_an_addition_at_its_next_look(room: Room) -> None:
    shelf = room.shelf()
    before = shelf.catalog
    room.add(b"one")
    assert LAB not in shelf.catalog.offers
    look(room.engine, shelf)
    assert shelf.catalog.offer(LAB).model.version == 1
    assert LAB not in before.offers, "a snapshot never changes"


def test_the_newest_version_is_the_default_and_each_can_be_pinned(room: Room) -> None:
    assert [room.add(weights) for weights in (b"one", b"two")] == [1, 2]
    catalog = room.shelf().catalog
    assert catalog.offer(LAB).model.version == 2
    assert (catalog.offer(LAB, 1).model.directory / WEIGHTS).read_bytes() == b"one"
    assert catalog.offer(LAB).model.manifest.version == 2, "the stored manifest says its own version"
    with pytest.raises(ModelNotFound, match=r"no version 3 here.*: 2, 1"):
        catalog.offer(LAB, 3)


def test_a_starter_gets_a_newer_version_and_stays_as_the_older_one(room: Room) -> None:
    assert room.add(b"better", "gem-1-bulk") == 2
    catalog = room.shelf().catalog
    assert catalog.offer("gem-1-bulk").model.version == 2
    assert catalog.offer("gem-1-bulk", 1).model.added_at is None


def test_a_removed_version_is_not_asked_and_is_still_held(room: Room) -> None:
    room.add(b"one")
    room.add(b"two")
    remove(room.engine, room.starters, LAB, 2)
    catalog = room.shelf().catalog
    assert catalog.versions_of(LAB) == [1]
    assert (catalog.held[LAB, 2].model.directory / WEIGHTS).read_bytes() == b"two"


def test_two_processes_that_fetch_at_once_both_have_it_whole(room: Room) -> None:
    room.add(b"large" * 200_000)
    shelves = [Shelf(room.starters, room.storage, room.folder / "shared") for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda shelf: look(room.engine, shelf), shelves))
    assert all(shelf.catalog.offer(LAB).model.version == 1 for shelf in shelves)
    assert all(not shelf.catalog.broken for shelf in shelves)
    assert [path.name for path in (room.folder / "shared").iterdir()] == [room.rows()[0].manifest_digest]


def test_a_damaged_cache_is_fetched_again(room: Room) -> None:
    room.add(b"one")
    weights = room.shelf().catalog.get(LAB).directory / WEIGHTS
    weights.write_bytes(b"cut")
    assert (room.shelf().catalog.get(LAB).directory / WEIGHTS).read_bytes() == b"one"


def test_files_that_somebody_cleared_away_are_fetched_when_they_are_needed(room: Room) -> None:
    room.add(b"one")
    shelf = room.shelf()
    model = shelf.catalog.get(LAB)
    (model.directory / WEIGHTS).unlink()
    assert (shelf.on_disk(model).directory / WEIGHTS).read_bytes() == b"one"


@pytest.mark.parametrize("name", [WEIGHTS, MANIFEST])
def test_a_model_that_was_changed_in_the_storage_is_refused_with_the_reason_and_no_other(
    room: Room, name: str
) -> None:
    room.add(b"one")
    room.add(b"sound", "sound")
    room.storage.put(f"{room.rows()[0].prefix}/{name}", b"{}")
    catalog = room.shelf().catalog
    assert set(catalog.models) == {"gem-1-bulk", "sound"}
    with pytest.raises(ModelUnusable, match=rf"Version 1 of {LAB}.*{name} was changed.*models remove"):
        catalog.offer(LAB)


def test_a_broken_newest_version_leaves_the_older_one_as_the_default(room: Room) -> None:
    room.add(b"one")
    room.add(b"two")
    room.storage.delete_all(f"models/{LAB}/2")
    catalog = room.shelf().catalog
    assert catalog.offer(LAB).model.version == 1
    with pytest.raises(ModelUnusable, match="not in the storage"):
        catalog.offer(LAB, 2)


def test_a_storage_that_is_away_leaves_the_catalog_as_it_was(room: Room) -> None:
    away = open_storage("s3://bucket?endpoint=http://127.0.0.1:1")
    room.add(b"one")
    shelf = Shelf(room.starters, away, room.folder / "cache")
    look(room.engine, shelf)
    assert set(shelf.catalog.models) == {"gem-1-bulk"}
    assert not shelf.catalog.broken


def test_a_cache_that_cannot_be_written_names_its_setting(room: Room) -> None:
    room.add(b"one")
    (room.folder / "file").touch()
    (broken,) = room.shelf("file/cache").catalog.broken
    assert "GENEQUEUE_MODELS_CACHE" in broken.reason
