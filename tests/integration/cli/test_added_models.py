"""Adding and removing models: what the rows and the storage hold afterwards, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from cli.added_models import Added, add, remove
from shared.catalog import Catalog, Model
from shared.database.engines import sync_engine, transaction
from shared.errors import InvalidInput, NotFound
from shared.shelf import Shelf
from shared.storage.objects import ObjectStorage, open_storage
from tests.support.catalogs import unread_model
from tests.support.jobs import save_job
from worker.generation.following import look
from worker.generation.removal import delete_removed_models

LAB = "my-lab-bulk"
AT_ONCE = timedelta(0)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = sync_engine(database_url)
    yield made
    made.dispose()


@pytest.fixture
def storage(storage_url: str) -> ObjectStorage:
    return open_storage(storage_url)


@pytest.fixture
def starters(tmp_path: Path) -> Catalog:
    unread_model(tmp_path / "starters")
    return Catalog.open(tmp_path / "starters")


def trained(tmp_path: Path, weights: bytes, model_id: str = LAB) -> Model:
    return unread_model(tmp_path / weights.hex(), model_id, weights=weights)


def test_the_same_weights_again_change_nothing(
    engine: Engine, storage: ObjectStorage, starters: Catalog, tmp_path: Path
) -> None:
    model = trained(tmp_path, b"one")
    assert add(engine, storage, starters, model) == Added(1, was_there=False)
    assert add(engine, storage, starters, model) == Added(1, was_there=True)
    assert add(engine, storage, starters, starters.get("gem-1-bulk")) == Added(1, was_there=True)
    assert {key.split("/")[1] for key in storage.keys("models")} == {LAB}


def test_models_added_at_once_get_a_version_each(
    engine: Engine, storage: ObjectStorage, starters: Catalog, tmp_path: Path
) -> None:
    models = [trained(tmp_path, bytes([number])) for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        added = list(pool.map(lambda model: add(engine, storage, starters, model), models))
    assert sorted(each.version for each in added) == [1, 2, 3, 4]


def test_a_version_is_never_given_twice(
    engine: Engine, storage: ObjectStorage, starters: Catalog, tmp_path: Path
) -> None:
    add(engine, storage, starters, trained(tmp_path, b"one"))
    remove(engine, starters, LAB, None)
    assert delete_removed_models(engine, storage, AT_ONCE) == [f"models/{LAB}/1"]
    assert add(engine, storage, starters, trained(tmp_path, b"one")) == Added(2, was_there=False)


@pytest.mark.parametrize("model_id", ["lab_predict-metadata", "../lab", "a lab", "-lab"])
def test_an_id_that_cannot_stand_in_a_url_or_is_taken_by_a_way_of_asking_is_refused(
    engine: Engine, storage: ObjectStorage, starters: Catalog, tmp_path: Path, model_id: str
) -> None:
    with pytest.raises(InvalidInput, match=r"cannot be used.*--model-id"):
        add(engine, storage, starters, trained(tmp_path / "below", b"one", model_id))
    assert storage.keys("models") == []


def test_a_starter_cannot_be_removed_and_the_refusal_says_what_to_do(
    engine: Engine, storage: ObjectStorage, starters: Catalog, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput, match=r"starter model.*starters/gem-1-bulk.*move that folder"):
        remove(engine, starters, "gem-1-bulk", None)
    add(engine, storage, starters, trained(tmp_path, b"two", "gem-1-bulk"))
    with pytest.raises(InvalidInput, match="starter model"):
        remove(engine, starters, "gem-1-bulk", 1)
    removed = remove(engine, starters, "gem-1-bulk", None)
    assert (removed.versions, removed.default) == ([2], 1)


def test_what_is_not_there_cannot_be_removed(
    engine: Engine, storage: ObjectStorage, starters: Catalog, tmp_path: Path
) -> None:
    with pytest.raises(NotFound, match="models list"):
        remove(engine, starters, LAB, None)
    add(engine, storage, starters, trained(tmp_path, b"one"))
    with pytest.raises(NotFound, match=r"no version 4.*: 1"):
        remove(engine, starters, LAB, 4)


@pytest.mark.parametrize("suffix", ["", "_predict-metadata"])
def test_the_files_stay_until_every_job_of_the_version_has_expired(
    engine: Engine, storage: ObjectStorage, starters: Catalog, tmp_path: Path, suffix: str
) -> None:
    add(engine, storage, starters, trained(tmp_path, b"one"))
    shelf = Shelf(starters, storage, tmp_path / "cache")
    look(engine, shelf)
    cached = shelf.catalog.get(LAB).directory
    save_job(engine, model_id=LAB + suffix)
    remove(engine, starters, LAB, None)
    assert delete_removed_models(engine, storage, AT_ONCE) == []
    with transaction(engine) as session:
        session.execute(text("UPDATE jobs SET state = 'expired', finished_at = now()"))
    assert delete_removed_models(engine, storage, timedelta(minutes=1)) == [], "a query may be on its way"
    assert delete_removed_models(engine, storage, AT_ONCE) == [f"models/{LAB}/1"]
    assert storage.keys("models") == []
    look(engine, shelf)
    assert not shelf.catalog.held.keys() & {(LAB, 1)}
    assert not cached.exists()
