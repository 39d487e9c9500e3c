"""Jobs whose inputs bring counts along: what is computed of them, and what happens when they are gone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import text

from shared.database.engines import transaction
from shared.jobs.states import JobState
from shared.queries.requests import RequestType
from shared.results.part import counts_matrix
from shared.results.specimens import specimens_key, specimens_prefix
from tests.integration.generation.conftest import Workshop
from tests.support.jobs import read_chunks, read_job, save_job, save_specimens_job
from worker.generation.claim import Claimant, claim
from worker.generation.retention import expire_results, sweep_inputs

GENES = 200
NEAR, WHAT = RequestType.REFERENCE_CONDITIONED, RequestType.PREDICT_METADATA
BOTH = ["biological", "technical"]


def specimens(number: int = 3, seed: int = 0) -> NDArray[np.int32]:
    """Samples of 200 genes, each of another library size."""
    random = np.random.default_rng(seed)
    depth = 1 + np.arange(number)[:, None]
    return random.poisson(depth * random.lognormal(3, 1, GENES), (number, GENES)).astype(np.int32)


def made(workshop: Workshop, counts: NDArray[np.int32], kind: RequestType, **more: Any) -> NDArray[np.int32]:
    """The counts that such a job gives."""
    job_id = save_specimens_job(workshop.database, workshop.storage, counts, kind, **more)
    workshop.drain()
    return counts_matrix(workshop.table(job_id).column("counts"), GENES)


def test_a_sample_is_as_large_as_its_reference_unless_the_total_count_is_fixed(workshop: Workshop) -> None:
    counts = specimens()
    own = made(workshop, counts, NEAR, conditioning=BOTH, num_samples=2, per_chunk=4)
    assert own.sum(1) == pytest.approx(np.repeat(counts.sum(1), 2), rel=0.02)
    fixed = made(workshop, counts, NEAR, conditioning=BOTH, fixed_total_count=True, total_count=50_000)
    assert fixed.sum(1) == pytest.approx(50_000, rel=0.02)


def test_each_input_is_answered_by_its_own_reference(workshop: Workshop) -> None:
    counts = specimens()
    options = {"conditioning": BOTH, "deterministic_latents": True}
    together = made(workshop, counts, NEAR, **options)
    alone = made(workshop, counts[2:], NEAR, **options)
    assert np.array_equal(together[2:], alone)
    assert not np.array_equal(together[0], together[2])


@pytest.mark.parametrize("kind", [NEAR, WHAT])
def test_a_job_is_the_same_whatever_its_chunks_and_batches(workshop: Workshop, kind: RequestType) -> None:
    one, other = (
        save_specimens_job(
            workshop.database, workshop.storage, specimens(7), kind, per_chunk=size, conditioning=BOTH
        )
        for size in (7, 2)
    )
    workshop.drain(batch_samples=3)
    assert workshop.table(one).equals(workshop.table(other))


def test_a_prediction_is_a_row_an_input_with_probabilities_that_its_metadata_are_the_best_of(
    workshop: Workshop,
) -> None:
    counts = specimens(5)
    job_id = save_specimens_job(workshop.database, workshop.storage, counts, WHAT)
    workshop.drain()
    rows = workshop.table(job_id).to_pylist()
    assert [row["input_index"] for row in rows] == list(range(5))
    for row, specimen in zip(rows, counts, strict=True):
        assert sum(row["sex_probabilities"]) == pytest.approx(1, abs=1e-5)
        assert row["sex"] == ("female", "male")[int(np.argmax(row["sex_probabilities"]))]
        assert sum(row["counts"]) == pytest.approx(specimen.sum(), rel=0.02)


def test_jobs_of_different_request_types_never_share_a_batch(workshop: Workshop) -> None:
    save_job(workshop.database, [1])
    for kind in (NEAR, WHAT):
        save_specimens_job(workshop.database, workshop.storage, specimens(1), kind)
    claimant = Claimant("worker", workshop.engines.claimable, timedelta(minutes=1), 64)
    kinds = [{work.request_type for work in claim(workshop.database, claimant)} for _ in range(3)]
    assert sorted(map(list, kinds)) == [[RequestType.BASELINE], [WHAT], [NEAR]]


def test_a_chunk_points_only_at_the_objects_that_it_overlaps(workshop: Workshop) -> None:
    job_id = save_specimens_job(workshop.database, workshop.storage, specimens(600), WHAT, per_chunk=256)
    claimant = Claimant("worker", workshop.engines.claimable, timedelta(minutes=1), 1_000)
    works = claim(workshop.database, claimant)
    assert [[stored.key for stored in work.specimens] for work in works] == [
        [specimens_key(job_id, first)] for first in (0, 256, 512)
    ]


def test_a_chunk_across_two_objects_gets_its_rows_of_both(workshop: Workshop) -> None:
    counts = specimens(300)
    one, other = (
        save_specimens_job(workshop.database, workshop.storage, counts, WHAT, per_chunk=size)
        for size in (300, 200)
    )
    workshop.drain()
    assert workshop.table(one).equals(workshop.table(other))


@pytest.mark.parametrize(("damage", "said"), [(b"changed", "were changed"), (None, "are missing")])
def test_counts_that_are_gone_or_changed_fail_their_job_alone_with_the_reason(
    workshop: Workshop, damage: bytes | None, said: str
) -> None:
    hurt, whole = (
        save_specimens_job(workshop.database, workshop.storage, specimens(2), NEAR, conditioning=BOTH)
        for _ in range(2)
    )
    if damage is None:
        workshop.storage.delete_all(specimens_prefix(hurt))
    else:
        workshop.storage.put(specimens_key(hurt, 0), damage)
    workshop.drain()
    job = read_job(workshop.database, hurt)
    assert job.state == JobState.FAILED
    assert said in (job.error or "")
    assert "Submit the query again" in (job.error or "")
    assert read_job(workshop.database, whole).state == JobState.READY
    assert read_chunks(workshop.database, hurt)[0].attempts == 3


def test_counts_are_deleted_with_the_result_that_was_made_of_them(workshop: Workshop) -> None:
    overdue, kept = (
        save_specimens_job(workshop.database, workshop.storage, specimens(1), WHAT) for _ in range(2)
    )
    workshop.drain()
    with transaction(workshop.database) as session:
        session.execute(
            text("UPDATE jobs SET expires_at = now() - interval '1 s' WHERE id = :id"), {"id": overdue}
        )
    assert expire_results(workshop.database, workshop.storage) == 1
    assert workshop.storage.keys(specimens_prefix(overdue)) == []
    assert workshop.storage.keys(specimens_prefix(kept)) != []


def test_counts_of_a_submit_that_was_never_committed_are_swept_once_they_are_old(
    workshop: Workshop,
) -> None:
    saved = save_specimens_job(workshop.database, workshop.storage, specimens(1), WHAT)
    lost = uuid4()
    workshop.storage.put(specimens_key(lost, 0), b"counts")
    workshop.storage.put("inputs/notes.txt", b"not ours")
    assert sweep_inputs(workshop.database, workshop.storage, timedelta(hours=1)) == 0
    assert sweep_inputs(workshop.database, workshop.storage, timedelta(hours=-1)) == 1
    assert workshop.storage.keys("inputs") == sorted(["inputs/notes.txt", specimens_key(saved, 0)])
