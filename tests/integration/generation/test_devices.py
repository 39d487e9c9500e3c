"""A device that fails or is too small: the work is done, elsewhere or in smaller steps, the same bytes."""

from __future__ import annotations

import pytest
import torch

from shared.catalog import Model
from shared.errors import DeviceLost, GenerationError, OutOfMemory
from shared.jobs.states import JobState
from shared.queries.requests import RequestType
from tests.integration.generation.conftest import Workshop
from tests.integration.generation.test_specimens import specimens
from tests.support.jobs import read_chunks, read_job, save_job, save_specimens_job
from worker.generation.engines import Engines
from worker.generation.recovery import recover
from worker.generation.warm_up import warm_up
from worker.inference.batch import Batch, Generated, Recognised, Specimens
from worker.inference.engine import Engine


class Limited(Engine):
    """An engine with room for so many samples, that dies where a job of one seed is in the batch."""

    room = 1_000
    deadly = 666
    drift = 0

    def generate(self, batch: Batch) -> Generated:
        self._look(len(batch.seed))
        if (batch.seed == self.deadly).any():
            raise DeviceLost("The device that computed it failed.")
        made = super().generate(batch)
        made.counts[:1] += self.drift
        self.drift += 1 if self.drift else 0
        return made

    def recognise(self, specimens: Specimens) -> Recognised:
        self._look(len(specimens.seed))
        return super().recognise(specimens)

    def _look(self, samples: int) -> None:
        self.asked = [*getattr(self, "asked", []), samples]
        if samples > self.room:
            raise OutOfMemory("A sample of it does not fit the memory of the worker.")


@pytest.fixture
def limited(workshop: Workshop) -> Limited:
    """The engine of this workshop's bulk model."""
    made: list[Limited] = []

    def load(model: Model) -> Engine:
        made.append(Limited.open(model, torch.device("cpu")))
        return made[-1]

    workshop.engines = Engines(workshop.engines.shelf, load, 4)
    workshop.engines.of("gem-1-bulk", 1)
    return made[0]


def test_a_batch_that_does_not_fit_is_computed_in_halves_with_the_same_bytes_and_the_size_is_remembered(
    workshop: Workshop, limited: Limited
) -> None:
    """Row 20: across chunks, and within a chunk of one input or of several."""
    whole = [save_job(workshop.database, sizes, per_chunk=8) for sizes in ([20], [3, 3, 3, 3, 3, 5])]
    workshop.drain()
    limited.room, limited.asked = 3, []
    small = [save_job(workshop.database, sizes, per_chunk=8) for sizes in ([20], [3, 3, 3, 3, 3, 5])]
    workshop.drain()
    assert [workshop.parts(job_id) for job_id in small] == [workshop.parts(job_id) for job_id in whole]
    assert {chunk.attempts for job_id in small for chunk in read_chunks(workshop.database, job_id)} == {1}
    too_large = [samples for samples in limited.asked if samples > 3]
    assert too_large[0] == 40
    assert too_large == sorted(set(too_large), reverse=True), "each size that does not fit is tried once"


def test_predictions_that_do_not_fit_at_once_are_computed_in_halves_with_the_same_bytes(
    workshop: Workshop, limited: Limited
) -> None:
    def ask() -> list[bytes]:
        kind = RequestType.PREDICT_METADATA
        job_id = save_specimens_job(workshop.database, workshop.storage, specimens(9), kind, per_chunk=9)
        workshop.drain()
        return workshop.parts(job_id)

    whole = ask()
    limited.room = 2
    assert ask() == whole


def test_a_sample_that_never_fits_fails_with_a_sentence(workshop: Workshop, limited: Limited) -> None:
    limited.room = 0
    job_id = save_job(workshop.database, [2])
    workshop.drain()
    job = read_job(workshop.database, job_id)
    assert (job.state, job.error) == (
        JobState.FAILED,
        "A sample of it does not fit the memory of the worker.",
    )


def test_a_device_that_is_lost_ends_the_worker_and_its_jobs_are_done_elsewhere(
    workshop: Workshop, limited: Limited
) -> None:
    """Row 19: the attempt counts, since the work may be what killed the device; nothing is left on lease."""
    good, deadly = save_job(workshop.database, [2]), save_job(workshop.database, [2], seed=limited.deadly)
    with pytest.raises(DeviceLost):
        workshop.drain()
    assert recover(workshop.database, workshop.storage, 3).taken_back == 2
    limited.deadly = 0  # another process, another device
    assert workshop.drain() == 4
    for job_id in (good, deadly):
        assert read_job(workshop.database, job_id).state == JobState.READY
        assert read_chunks(workshop.database, job_id)[0].attempts == 2


def test_work_that_loses_every_device_fails_after_three(workshop: Workshop, limited: Limited) -> None:
    deadly = save_job(workshop.database, [2], seed=limited.deadly)
    for _ in range(3):
        with pytest.raises(DeviceLost):
            workshop.drain()
        recover(workshop.database, workshop.storage, 3)
    assert workshop.drain() == 0
    assert read_job(workshop.database, deadly).state == JobState.FAILED


def test_a_worker_whose_device_gives_other_bits_the_second_time_is_not_ready(workshop: Workshop) -> None:
    """Row 19: decided at the start, before anything is claimed."""
    model = workshop.engines.shelf.catalog.models["gem-1-bulk"]
    engine = Limited.open(model, torch.device("cpu"))
    warm_up(engine)
    engine.drift = 1
    with pytest.raises(GenerationError, match="twice"):
        warm_up(engine)
