"""Devices of a kind must agree on one question; of those that do not, the outvoted is not ready (row 19)."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import Result
from sqlalchemy import Engine as DatabaseEngine
from typer.testing import CliRunner

from cli import canaries
from shared.database.engines import transaction
from shared.database.queries.canaries import forget_canaries
from shared.errors import DeviceDiffers, NotFound
from tests.support.models import tiny_model
from worker.generation.canary import canary_of, compare
from worker.generation.engines import Engines
from worker.generation.warm_up import warm_up
from worker.inference.engine import Engine

SOUND, BROKEN = "5" * 64, "b" * 64


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return Engine.open(tiny_model(tmp_path_factory.mktemp("model")), torch.device("cpu"))


def tell(database: DatabaseEngine, model: Engine, host: str, digest: str) -> None:
    compare(database, canary_of(model, digest, host))


def test_devices_that_agree_are_ready_however_often_they_start(engine: DatabaseEngine, model: Engine) -> None:
    for host in ("a", "b", "a"):
        tell(engine, model, host, warm_up(model))


def test_a_device_that_differs_is_not_ready_and_is_told_who_said_otherwise_and_what_to_do(
    engine: DatabaseEngine, model: Engine
) -> None:
    tell(engine, model, "a", SOUND)
    with pytest.raises(DeviceDiffers) as raised:
        tell(engine, model, "b", BROKEN)
    told = str(raised.value)
    assert told.startswith(
        f"b {model.device} computes other bits for gem-1-bulk version 1 than a {model.device}"
    )
    assert f"genequeue canaries forget 'a {model.device}'" in told
    tell(engine, model, "b", SOUND)  # repaired


def test_a_broken_device_that_was_first_is_outvoted(engine: DatabaseEngine, model: Engine) -> None:
    tell(engine, model, "broken", BROKEN)
    with pytest.raises(DeviceDiffers):
        tell(engine, model, "a", SOUND)
    tell(engine, model, "b", SOUND)
    tell(engine, model, "a", SOUND)
    with pytest.raises(DeviceDiffers):
        tell(engine, model, "broken", BROKEN)


def test_a_broken_device_that_was_first_of_two_can_be_forgotten(
    engine: DatabaseEngine, model: Engine
) -> None:
    tell(engine, model, "broken", BROKEN)
    with pytest.raises(DeviceDiffers):
        tell(engine, model, "a", SOUND)
    with transaction(engine) as session:
        forgotten = session.scalars(forget_canaries(f"broken {model.device}")).all()
    assert forgotten == ["gem-1-bulk"]
    tell(engine, model, "a", SOUND)


def test_what_a_device_answered_is_listed_and_forgotten_by_command(
    engine: DatabaseEngine, model: Engine, database_url: str
) -> None:
    tell(engine, model, "broken", BROKEN)
    names = ("DATABASE_URL", "REDIS_URL", "STORAGE_URL")
    told = dict(zip(names, (database_url, "redis://127.0.0.1:1/0", "file:///nowhere"), strict=True))
    environment = {f"GENEQUEUE_{name}": value for name, value in told.items()}

    def say(*words: str) -> Result:
        return CliRunner().invoke(canaries.app, words, env={**environment, "COLUMNS": "250"})

    assert f"broken {model.device}" in say("list").output
    assert "gem-1-bulk" in say("forget", f"broken {model.device}").output
    assert "broken" not in say("list").output
    assert isinstance(say("forget", f"broken {model.device}").exception, NotFound)


def test_other_libraries_or_weights_are_another_question(
    engine: DatabaseEngine, model: Engine, tmp_path: Path
) -> None:
    tell(engine, model, "a", SOUND)
    later = canary_of(model, BROKEN, "b")
    later.surroundings += " of tomorrow"
    compare(engine, later)
    other = Engine.open(tiny_model(tmp_path, seed=2), torch.device("cpu"))
    tell(engine, other, "b", BROKEN)


def test_a_worker_that_is_outvoted_does_not_get_ready_for_starters_and_added_models_alike(
    engine: DatabaseEngine, engines: Engines
) -> None:
    told: list[str] = []

    def judge(model: Engine, digest: str) -> None:
        told.append(digest)
        compare(engine, canary_of(model, digest))

    engines.preload(judge)
    engines.preload(judge)
    assert told[: len(told) // 2] == told[len(told) // 2 :]
    with pytest.raises(DeviceDiffers):
        engines.preload(lambda model, _: tell(engine, model, "b", BROKEN))
