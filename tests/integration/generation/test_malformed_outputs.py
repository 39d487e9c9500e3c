"""Row 24: a model that gives no numbers, or too few, gives no result: its job fails, nothing is stored."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from structlog.testing import capture_logs

from shared.catalog import Model
from shared.jobs.states import JobState
from tests.integration.generation.conftest import Workshop
from tests.support.jobs import read_job, save_job
from tests.support.models import SINGLE_CELL, tiny_model
from worker.generation.engines import Engines
from worker.inference.checkpoint import load_network
from worker.inference.engine import Engine
from worker.inference.network import ExpressionNetwork

CPU = torch.device("cpu")
Broken = Callable[[Model, Path], ExpressionNetwork]


def of_no_numbers(model: Model, folder: Path) -> ExpressionNetwork:
    """The model's own network, one bias of which is not a number."""
    network = load_network(model, CPU)
    network.get_parameter("output.bias")[3] = math.nan
    return network


def of_too_few_genes(model: Model, folder: Path) -> ExpressionNetwork:
    """A network of a gene less than the model says."""
    return load_network(tiny_model(folder, len(model.genes) - 1), CPU)


@pytest.mark.parametrize("broken", [of_no_numbers, of_too_few_genes])
def test_a_model_that_gives_no_valid_row_fails_its_job_with_a_sentence_and_nothing_is_stored(
    workshop: Workshop, tmp_path: Path, broken: Broken
) -> None:
    def load(model: Model) -> Engine:
        healthy = model.model_id == SINGLE_CELL
        return Engine(model, load_network(model, CPU) if healthy else broken(model, tmp_path / "short"), CPU)

    workshop.engines = Engines(workshop.engines.shelf, load, 4)
    bad, good = save_job(workshop.database, [2]), save_job(workshop.database, [2], model_id=SINGLE_CELL)
    with capture_logs():  # what is said of such a failure takes long to set in colours
        workshop.drain()
    job = read_job(workshop.database, bad)
    assert (job.state, job.samples_done, job.samples_failed) == (JobState.FAILED, 0, 2)
    assert job.error
    assert job.error.endswith(".")
    assert read_job(workshop.database, good).state == JobState.READY
    assert not workshop.storage.keys(f"results/{bad}")
