"""Inputs that cannot be computed and chunks that kill their worker: their neighbours are delivered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pyarrow as pa
import pytest
import torch
from sqlalchemy import Engine as DatabaseEngine
from sqlalchemy import func, select, update

from shared.catalog import Model
from shared.database.engines import transaction
from shared.database.queries.leases import StoredPart
from shared.database.tables import Chunk, Job, JobInput
from shared.errors import GenerationError, LeaseLost
from shared.jobs.events import EventKind
from shared.jobs.states import ChunkState, JobState
from shared.results.part import decode_part
from tests.integration.generation.conftest import Workshop
from tests.support.jobs import read_chunks, read_events, read_job, save_job
from worker.generation.claim import Claimant, claim
from worker.generation.complete import complete
from worker.generation.compute import compute
from worker.generation.engines import Engines
from worker.generation.recovery import recover
from worker.generation.sheets import Sheets
from worker.generation.write import write_part
from worker.inference.batch import Batch, Generated
from worker.inference.engine import Engine

HELD = {"gem-1-bulk": [1]}


class Choosy(Engine):
    """An engine that gives no valid result where samples of some inputs of the job of one seed are among."""

    guilty: frozenset[int] = frozenset()
    seed = 666
    stumbles = 0  # so many times, whatever is asked

    def generate(self, batch: Batch) -> Generated:
        if self.stumbles:
            self.stumbles -= 1
            raise RuntimeError("It stumbled.")
        if self.guilty & set(batch.input_index[batch.seed == self.seed].tolist()):
            raise GenerationError("The model gave negative counts.")
        return super().generate(batch)


@pytest.fixture
def choosy(workshop: Workshop) -> Choosy:
    """The engine of this workshop's bulk model."""
    made: list[Choosy] = []

    def load(model: Model) -> Engine:
        made.append(Choosy.open(model, torch.device("cpu")))
        return made[-1]

    workshop.engines = Engines(workshop.engines.shelf, load, 4)
    workshop.engines.of("gem-1-bulk", 1)
    return made[0]


def reasons(database: DatabaseEngine, job_id: UUID) -> dict[int, str]:
    """Why inputs failed, by position."""
    with transaction(database) as session:
        rows = session.scalars(select(JobInput).where(JobInput.job_id == job_id, JobInput.error.is_not(None)))
        return {row.position: row.error or "" for row in rows}


def rows_of(workshop: Workshop, job_id: UUID) -> list[dict[str, Any]]:
    return workshop.table(job_id).to_pylist()


@pytest.mark.parametrize("guilty", [0, 1, 7, 14, 15])
def test_one_bad_input_of_many_fails_alone_and_the_others_are_what_they_would_have_been(
    workshop: Workshop, choosy: Choosy, guilty: int
) -> None:
    """Row 21, at several places of a chunk."""
    undisturbed = save_job(workshop.database, [2] * 16, per_chunk=32, seed=choosy.seed)
    workshop.drain()
    choosy.guilty = frozenset({guilty})
    hurt = save_job(workshop.database, [2] * 16, per_chunk=32, seed=choosy.seed)
    workshop.drain()
    expected = [row for row in rows_of(workshop, undisturbed) if row["input_index"] != guilty]
    assert rows_of(workshop, hurt) == expected
    job = read_job(workshop.database, hurt)
    assert (job.state, job.samples_done, job.samples_failed) == (JobState.READY, 30, 2)
    assert reasons(workshop.database, hurt) == {guilty: "The model gave negative counts."}
    assert {chunk.attempts for chunk in read_chunks(workshop.database, hurt)} == {1}, "found at once"


def test_a_chunk_none_of_whose_inputs_can_be_computed_is_tried_by_three_workers(
    workshop: Workshop, choosy: Choosy
) -> None:
    """It may be the worker's fault: a chunk is given up at its last attempt only."""
    choosy.guilty = frozenset(range(4))
    job_id = save_job(workshop.database, [1] * 4, per_chunk=4, seed=choosy.seed)
    workshop.drain()
    assert read_job(workshop.database, job_id).state == JobState.FAILED
    assert {chunk.attempts for chunk in read_chunks(workshop.database, job_id)} == {3}


def test_a_failure_that_is_no_input_s_fault_and_does_not_come_again_harms_nobody(
    workshop: Workshop, choosy: Choosy
) -> None:
    job_id = save_job(workshop.database, [1] * 4, per_chunk=4, seed=choosy.seed)
    choosy.stumbles = 1
    workshop.drain()
    assert read_job(workshop.database, job_id).samples_done == 4
    assert reasons(workshop.database, job_id) == {}


def test_a_bad_input_does_not_hold_up_the_other_jobs_of_its_batch(workshop: Workshop, choosy: Choosy) -> None:
    """Row 21, across jobs."""
    choosy.guilty = frozenset({0})
    good = [save_job(workshop.database, [1], seed=number) for number in range(5)]
    bad = save_job(workshop.database, [1], seed=choosy.seed)
    workshop.drain()
    assert {read_job(workshop.database, job_id).state for job_id in good} == {JobState.READY}
    assert {chunk.attempts for job_id in good for chunk in read_chunks(workshop.database, job_id)} == {1}
    assert read_job(workshop.database, bad).state == JobState.FAILED


def test_the_manifest_lists_what_failed_and_the_parts_hold_the_rest(
    workshop: Workshop, choosy: Choosy
) -> None:
    choosy.guilty = frozenset({0, 3})
    job_id = save_job(workshop.database, [2, 1, 1, 2], per_chunk=2, seed=choosy.seed)
    workshop.drain()
    job = read_job(workshop.database, job_id)
    manifest = orjson.loads(workshop.storage.get(job.manifest_key or ""))
    assert [failure["input_index"] for failure in manifest["failures"]] == [0, 3]
    assert manifest["num_samples"] == 2
    assert [(part["first_sample"], part["num_samples"]) for part in manifest["parts"]] == [(2, 2)]
    states = [chunk.state for chunk in read_chunks(workshop.database, job_id)]
    assert states == [ChunkState.FAILED, ChunkState.DONE, ChunkState.FAILED]
    events = read_events(workshop.database, job_id)
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert events[-1].kind == EventKind.READY


def test_a_job_none_of_whose_inputs_can_be_computed_fails_with_the_reason(
    workshop: Workshop, choosy: Choosy
) -> None:
    choosy.guilty = frozenset(range(4))
    job_id = save_job(workshop.database, [1] * 4, per_chunk=2, seed=choosy.seed)
    workshop.drain()
    job = read_job(workshop.database, job_id)
    assert (job.state, job.samples_failed) == (JobState.FAILED, 4)
    assert job.error == "The model gave negative counts."


def killed(workshop: Workshop, guilty: int) -> int:
    """Workers that compute what is queued, and die where the input is among; returns how many died."""
    living = Claimant("dying", lambda: HELD, timedelta(minutes=1), 64)
    engine, deaths = workshop.engines.of("gem-1-bulk", 1), 0
    while claimed := claim(workshop.database, living):
        works = [work.read(Sheets(workshop.storage)) if work.sheets else work for work in claimed]
        if any(guilty in work.inputs and work.seed == Choosy.seed for work in works):
            deaths += 1
            let_expire(workshop.database)
            recover(workshop.database, workshop.storage, 3)
            continue
        for work, rows in zip(works, compute(engine, workshop.storage, works), strict=True):
            part = write_part(workshop.storage, work, rows, engine.device)
            complete(workshop.database, workshop.storage, work, part)
    return deaths


def let_expire(database: DatabaseEngine) -> None:
    """Time passes, and nobody renews."""
    with transaction(database) as session:
        ended = update(Chunk).where(Chunk.state == ChunkState.RUNNING)
        session.execute(ended.values(lease_expires_at=func.now() - timedelta(seconds=1)))


@pytest.mark.parametrize("guilty", [0, 5, 11])
def test_an_input_that_kills_its_worker_fails_alone_and_its_neighbours_are_delivered(
    workshop: Workshop, guilty: int
) -> None:
    """Row 7: the chunk is cut in halves until the input is alone, and that is tried no more than thrice."""
    undisturbed = save_job(workshop.database, [1] * 12, per_chunk=6, seed=Choosy.seed)
    workshop.drain()
    bystander = save_job(workshop.database, [1])
    poisoned = save_job(workshop.database, [1] * 12, per_chunk=6, seed=Choosy.seed)
    deaths = killed(workshop, guilty)
    assert deaths <= 2 + 3 + 1
    job = read_job(workshop.database, poisoned)
    assert (job.state, job.samples_done, job.samples_failed) == (JobState.READY, 11, 1)
    assert read_job(workshop.database, bystander).state == JobState.READY
    expected = [row for row in rows_of(workshop, undisturbed) if row["input_index"] != guilty]
    manifest = orjson.loads(workshop.storage.get(job.manifest_key or ""))
    parts = [decode_part(workshop.storage.get(part["key"])) for part in manifest["parts"]]
    assert pa.concat_tables(parts).to_pylist() == expected
    assert list(reasons(workshop.database, poisoned)) == [guilty]
    assert "3 times" in reasons(workshop.database, poisoned)[guilty]


def test_chunks_that_were_cut_count_as_chunks_of_their_job(workshop: Workshop) -> None:
    job_id = save_job(workshop.database, [1] * 4, per_chunk=4)
    for _ in range(2):
        claim(workshop.database, Claimant("w", lambda: HELD, timedelta(seconds=-1), 64))
        recover(workshop.database, workshop.storage, 3)
    job, chunks = read_job(workshop.database, job_id), read_chunks(workshop.database, job_id)
    assert (job.chunks_total, job.chunks_open) == (2, 2)
    assert [(chunk.position, chunk.first_sample, chunk.num_samples) for chunk in chunks] == [
        (0, 0, 2),
        (1, 2, 2),
    ]
    assert workshop.drain() == 4
    assert read_job(workshop.database, job_id).state == JobState.READY


def test_a_chunk_that_was_tried_before_is_tried_alone(workshop: Workshop) -> None:
    """Row 7: what killed its worker takes no neighbour with it twice."""
    for _ in range(3):
        save_job(workshop.database, [1])
    claim(workshop.database, Claimant("w", lambda: HELD, timedelta(seconds=-1), 64))
    recover(workshop.database, workshop.storage, 3)
    save_job(workshop.database, [1])
    again = Claimant("w", lambda: HELD, timedelta(minutes=1), 64)
    batches = [claim(workshop.database, again) for _ in range(4)]
    assert [[work.attempt for work in batch] for batch in batches] == [[2], [2], [2], [1]]


def test_a_job_that_is_past_its_deadline_fails_with_a_sentence_and_its_worker_drops_it(
    workshop: Workshop,
) -> None:
    late = save_job(workshop.database, [4], per_chunk=2, deadline=datetime.now(UTC) + timedelta(hours=1))
    (work,) = claim(workshop.database, Claimant("w", lambda: HELD, timedelta(minutes=1), 2))
    assert recover(workshop.database, workshop.storage, 3).late_jobs == 0
    with transaction(workshop.database) as session:
        session.execute(update(Job).values(deadline=func.now() - timedelta(seconds=1)))
    assert recover(workshop.database, workshop.storage, 3).late_jobs == 1
    job = read_job(workshop.database, late)
    assert (job.state, job.chunks_open) == (JobState.FAILED, 2)
    assert "0 of 4 samples" in (job.error or "")
    assert {chunk.state for chunk in read_chunks(workshop.database, late)} == {ChunkState.CANCELLED}
    with pytest.raises(LeaseLost):
        complete(workshop.database, workshop.storage, work, StoredPart("part", 1, "0" * 64, "cpu"))
    assert recover(workshop.database, workshop.storage, 3).late_jobs == 0
