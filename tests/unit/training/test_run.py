"""A training that is stopped and taken up again ends where an uninterrupted one ends, bit for bit."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch

from shared.errors import CheckpointCorrupt, SetupError
from shared.ontology.terms import Ontologies
from tests.support.lab import Lab, checked
from tests.support.networks import SMALL
from worker.inference.network import ExpressionNetwork
from worker.training.interruption import listening
from worker.training.lab.table import LabData
from worker.training.run import Run
from worker.training.state import STATE, TrainingState
from worker.training.trainer import Trainer, TrainingPlan, one_process, train
from worker.training.vocabulary import vocabulary_of

PLAN = TrainingPlan(steps=24, batch_size=8, threads=1, descriptions=4, seed=3)
SETTINGS = {"data": "a digest", "steps": 24}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> LabData:
    found = checked(Lab.make(samples=16, genes=40).write(tmp_path_factory.mktemp("lab") / "my.h5ad"))
    return LabData(found, np.zeros(16, bool), most_values=0)


def fresh(data: LabData) -> Trainer:
    vocabulary = vocabulary_of(data.labels, Ontologies.open())
    return Trainer(data, vocabulary, SMALL, PLAN, one_process())


def run_in(folder: Path, **settings: object) -> Run:
    return Run(folder / ".training", SETTINGS | settings, timedelta(minutes=5))


def silent(step: int, loss: float) -> None:
    """No progress display."""


def send(number: signal.Signals, at: int) -> Callable[[int, float], None]:
    """A progress display that sends this process a signal after so many steps."""

    def progress(step: int, loss: float) -> None:
        if step == at:
            os.kill(os.getpid(), number)

    return progress


def same(first: ExpressionNetwork, second: ExpressionNetwork) -> bool:
    return all(
        torch.equal(one, other)
        for one, other in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_training_ends_with_the_weights_of_an_uninterrupted_one(
    number: signal.Signals, data: LabData, tmp_path: Path
) -> None:
    vocabulary = vocabulary_of(data.labels, Ontologies.open())
    whole = train(data, vocabulary, SMALL, PLAN, silent)
    run, first = run_in(tmp_path), fresh(data)
    run.prepare(resume=False)
    run.take_up(first, resume=False)
    assert not run.train(first, send(number, at=11))
    assert first.step == 11
    second = fresh(data)
    torch.manual_seed(99)  # whatever the process did before
    run.prepare(resume=True)
    run.take_up(second, resume=True)
    assert run.train(second, silent)
    assert same(whole, second.network)
    assert not same(whole, first.network)


def test_the_state_is_kept_now_and_then_and_at_the_end(data: LabData, tmp_path: Path) -> None:
    kept: list[int] = []
    run = Run(tmp_path, SETTINGS, timedelta(0))
    trainer = fresh(data)
    run.take_up(trainer, resume=False)

    def look(step: int, loss: float) -> None:
        if step > 1:
            kept.append(TrainingState.read(tmp_path).facts["step"])

    assert run.train(trainer, look)
    assert kept == list(range(1, 24))
    assert TrainingState.read(tmp_path).facts["step"] == 24


def stopped(data: LabData, folder: Path) -> Trainer:
    trainer = fresh(data)
    run_in(folder).take_up(trainer, resume=False)
    run_in(folder).train(trainer, send(signal.SIGINT, at=2))
    return trainer


def test_other_data_or_settings_are_refused_and_named(data: LabData, tmp_path: Path) -> None:
    stopped(data, tmp_path)
    with pytest.raises(SetupError, match="steps was 24, now 30"):
        run_in(tmp_path, steps=30).prepare(resume=True)
    with pytest.raises(SetupError, match="data was a digest, now another"):
        run_in(tmp_path, data="another").prepare(resume=True)


def test_a_training_is_neither_overwritten_nor_resumed_by_mistake(data: LabData, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="nothing to resume"):
        run_in(tmp_path).prepare(resume=True)
    stopped(data, tmp_path)
    with pytest.raises(SetupError, match="Add --resume"):
        run_in(tmp_path).prepare(resume=False)


def test_a_full_disk_leaves_the_old_state_whole_and_says_what_to_do(data: LabData, tmp_path: Path) -> None:
    trainer = stopped(data, tmp_path)
    folder = tmp_path / ".training"
    before = (folder / STATE).read_bytes()
    trainer.advance()
    (folder / f"{STATE}.part").symlink_to("/dev/full")  # every write fails: no space left on device
    with pytest.raises(SetupError, match=r"No space left on device.*before is whole.*--resume"):
        TrainingState.of(trainer).write(folder)
    assert (folder / STATE).read_bytes() == before
    TrainingState.of(trainer).write(folder)
    assert TrainingState.read(folder).facts["step"] == 3


def test_a_damaged_state_is_refused(data: LabData, tmp_path: Path) -> None:
    stopped(data, tmp_path)
    path = tmp_path / ".training" / STATE
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(CheckpointCorrupt, match="train from the start"):
        TrainingState.read(path.parent)


@pytest.fixture
def obedient() -> Iterator[None]:
    """Ctrl-C as Python takes it; whoever starts this suite may have it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("obedient")
def test_a_second_ctrl_c_is_obeyed_at_once() -> None:
    with listening() as interruption:
        os.kill(os.getpid(), signal.SIGINT)
        assert interruption.asked
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
