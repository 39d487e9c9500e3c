"""Who owns a chunk, on a real Postgres: claims, fencing tokens, completion, take-back."""

from __future__ import annotations

import random
import threading
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import orjson
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from shared.database.engines import transaction
from shared.database.queries import claims, leases
from shared.database.queries.leases import StoredPart
from shared.errors import LeaseLost
from shared.jobs.events import EventKind
from shared.jobs.lanes import Turn
from shared.jobs.states import ChunkState, JobState
from shared.storage.objects import ObjectStorage, open_storage
from tests.support.jobs import read_chunks, read_events, read_job, save_job
from tests.support.processes import wait_until
from worker.generation.claim import Claimant, claim
from worker.generation.complete import Stored, complete, complete_together, fail, give_back, try_again
from worker.generation.ending import fail_jobs
from worker.generation.recovery import recover
from worker.generation.retention import expire_results
from worker.generation.work import Work

PART = StoredPart("results/part", 10, "0" * 64, "cpu")


@pytest.fixture
def storage(tmp_path: Path) -> ObjectStorage:
    return open_storage(f"file://{tmp_path}/objects")


def claimant(owner: str = "a", *, lease: float = 30, batch: int = 4) -> Claimant:
    models = {"gem-1-bulk": [1], "gem-1-sc": [1]}
    return Claimant(owner, lambda: models, timedelta(seconds=lease), batch)


def test_a_claim_takes_whole_chunks_up_to_the_batch_size(engine: Engine) -> None:
    job = save_job(engine, [10], per_chunk=2)
    works = claim(engine, claimant(batch=5))
    assert [(work.position, work.num_samples) for work in works] == [(0, 2), (1, 2)]
    assert read_job(engine, job).state == JobState.RUNNING


def test_a_claim_fills_its_batch_across_jobs_and_workspaces(engine: Engine) -> None:
    jobs = [save_job(engine, [1], workspace=name) for name in ("a", "b", "c")]
    assert {work.job_id for work in claim(engine, claimant())} == set(jobs)


def test_a_batch_is_of_one_model(engine: Engine) -> None:
    save_job(engine, [1], model_id="gem-1-sc")
    save_job(engine, [1], model_id="gem-1-bulk")
    assert [work.model_id for work in claim(engine, claimant())] == ["gem-1-sc"]
    assert [work.model_id for work in claim(engine, claimant())] == ["gem-1-bulk"]


def test_a_short_job_does_not_wait_for_a_long_one_to_end(engine: Engine) -> None:
    save_job(engine, [100], per_chunk=2)
    claim(engine, claimant(batch=2))
    short = save_job(engine, [1])
    assert [work.job_id for work in claim(engine, claimant(batch=1))] == [short]


def test_a_chunk_larger_than_the_batch_is_still_claimed(engine: Engine) -> None:
    save_job(engine, [10], per_chunk=10)
    assert len(claim(engine, claimant(batch=4))) == 1


def test_the_work_names_the_input_and_the_place_of_each_sample(engine: Engine) -> None:
    save_job(engine, [3, 1, 4], per_chunk=5)
    first, second = claim(engine, claimant(batch=8))
    assert [(run.input_index, run.first, run.count) for run in first.runs] == [
        (0, 0, 3),
        (1, 0, 1),
        (2, 0, 1),
    ]
    assert [condition.input_index for condition in second.conditions] == [2]
    assert [(run.input_index, run.first, run.count) for run in second.runs] == [(0, 1, 3)]


def test_two_workers_never_own_the_same_chunk(engine: Engine) -> None:
    for _ in range(40):
        save_job(engine, [1])
    taken: list[Work] = []

    def work(owner: str) -> None:
        while works := claim(engine, claimant(owner, batch=3)):
            taken.extend(works)

    threads = [threading.Thread(target=work, args=(owner,)) for owner in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 40
    assert len({work.chunk_id for work in taken}) == 40
    assert len({work.token for work in taken}) == 40


def test_the_last_chunk_makes_the_job_ready_with_a_manifest_of_all_parts(
    engine: Engine, storage: ObjectStorage
) -> None:
    job_id = save_job(engine, [4], per_chunk=2)
    for work in claim(engine, claimant()):
        complete(engine, storage, work, StoredPart(f"part-{work.position}", 10, "f" * 64, "cpu"))
    job = read_job(engine, job_id)
    assert (job.state, job.samples_done, job.chunks_open) == (JobState.READY, 4, 0)
    manifest = orjson.loads(storage.get(job.manifest_key or ""))
    assert [part["key"] for part in manifest["parts"]] == ["part-0", "part-1"]
    assert manifest["seed"] == 7


def test_events_are_numbered_without_gaps(engine: Engine, storage: ObjectStorage) -> None:
    job_id = save_job(engine, [4], per_chunk=2)
    for work in claim(engine, claimant()):
        complete(engine, storage, work, PART)
    events = read_events(engine, job_id)
    assert [event.number for event in events] == [1, 2, 3, 4, 5]
    assert [event.kind for event in events] == [
        EventKind.QUEUED,
        EventKind.RUNNING,
        EventKind.PROGRESS,
        EventKind.PROGRESS,
        EventKind.READY,
    ]


def test_a_worker_that_lost_its_lease_cannot_complete(engine: Engine, storage: ObjectStorage) -> None:
    save_job(engine, [1])
    (stale,) = claim(engine, claimant("a", lease=-1))
    assert recover(engine, storage, 3).taken_back == 1
    (current,) = claim(engine, claimant("b"))
    assert current.chunk_id == stale.chunk_id
    assert current.token > stale.token
    with pytest.raises(LeaseLost):
        complete(engine, storage, stale, PART)
    complete(engine, storage, current, PART)


def test_a_chunk_is_completed_once(engine: Engine, storage: ObjectStorage) -> None:
    job_id = save_job(engine, [1])
    (work,) = claim(engine, claimant())
    complete(engine, storage, work, PART)
    with pytest.raises(LeaseLost):
        complete(engine, storage, work, PART)
    assert read_job(engine, job_id).samples_done == 1


def test_a_renewed_lease_is_not_taken_back(engine: Engine, storage: ObjectStorage) -> None:
    save_job(engine, [1])
    (work,) = claim(engine, claimant(lease=-1))
    with transaction(engine) as session:
        renewal = leases.renew([work.lease], timedelta(seconds=30))
        assert session.scalars(*renewal).all() == [work.chunk_id]
    assert recover(engine, storage, 3).taken_back == 0


def test_a_stale_token_renews_nothing(engine: Engine) -> None:
    save_job(engine, [1])
    (work,) = claim(engine, claimant())
    with transaction(engine) as session:
        stale = [(work.chunk_id, work.token - 1)]
        assert session.scalars(*leases.renew(stale, timedelta(seconds=30))).all() == []


def test_a_renewal_waits_for_nobody_and_what_is_locked_is_still_ours(engine: Engine) -> None:
    save_job(engine, [2], per_chunk=1)
    first, second = claim(engine, claimant())
    with transaction(engine) as completing:
        lock = text("SELECT id FROM chunks WHERE id = :id FOR UPDATE")
        completing.execute(lock, {"id": first.chunk_id})
        with transaction(engine) as session:
            renewal = leases.renew([first.lease, second.lease], timedelta(minutes=1))
            assert sorted(session.scalars(*renewal)) == [first.chunk_id, second.chunk_id]
        untouched, renewed = read_chunks(engine, first.job_id)
    assert untouched.lease_expires_at
    assert renewed.lease_expires_at
    assert renewed.lease_expires_at - untouched.lease_expires_at > timedelta(seconds=25)


def test_a_young_lease_is_left_alone_and_known_to_be_ours(engine: Engine) -> None:
    """Most chunks of one sample end before theirs is old."""
    job_id = save_job(engine, [1])
    half_a_day = timedelta(hours=12)
    (work,) = claim(engine, claimant(lease=half_a_day.total_seconds()))
    before = read_chunks(engine, job_id)[0].lease_expires_at
    with transaction(engine) as session:
        assert session.scalars(*leases.renew([work.lease], half_a_day)).all() == [work.chunk_id]
    assert read_chunks(engine, job_id)[0].lease_expires_at == before


def test_chunks_are_completed_in_one_order_so_that_nobody_waits_in_a_circle(
    engine: Engine, storage: ObjectStorage
) -> None:
    """A completion that waits for the first chunk has not locked the second one yet."""
    for _ in range(2):
        save_job(engine, [1])
    first, second = claim(engine, claimant())
    with transaction(engine) as session:  # now the table and its indexes have the second one first
        later = "UPDATE chunks SET lease_expires_at = lease_expires_at + interval '1 s' WHERE id = :id"
        session.execute(text(later), {"id": first.chunk_id})
    group = [Stored(second, PART), Stored(first, PART)]
    lock = text("SELECT id FROM chunks WHERE id = :id FOR UPDATE NOWAIT")
    with transaction(engine) as session:
        session.execute(lock, {"id": first.chunk_id})
        completing = threading.Thread(target=complete_together, args=(engine, storage, group))
        completing.start()
        wait_until(lambda: _waits_for_a_lock(engine))
        session.execute(lock, {"id": second.chunk_id})
    completing.join()
    assert {read_job(engine, work.job_id).state for work in (first, second)} == {JobState.READY}


def test_workers_that_complete_chunks_of_the_same_jobs_at_once_count_each_of_them(
    engine: Engine, storage: ObjectStorage
) -> None:
    """In whatever order they come; who counts a job down last makes it ready."""
    jobs = [save_job(engine, [8], per_chunk=1) for _ in range(4)]
    works = claim(engine, claimant(batch=32))
    assert len(works) == 32
    groups = [[work for work in works if work.position == place] for place in range(8)]

    def finish(mine: list[list[Work]]) -> None:
        for group in mine:
            order = random.Random(group[0].position).sample(group, len(group))
            complete_together(engine, storage, [Stored(work, PART) for work in order])

    threads = [threading.Thread(target=finish, args=(groups[place::4],)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for job_id in jobs:
        job, events = read_job(engine, job_id), read_events(engine, job_id)
        assert (job.state, job.samples_done, job.chunks_open) == (JobState.READY, 8, 0)
        assert [event.number for event in events] == list(range(1, 12))
        told = [event.data["samples_done"] for event in events if event.kind == EventKind.PROGRESS]
        assert told == list(range(1, 9))
        assert [event.kind for event in events].count(EventKind.READY) == 1


def test_attempts_are_counted_before_the_work_and_end(engine: Engine, storage: ObjectStorage) -> None:
    job_id = save_job(engine, [2])
    for attempt in (1, 2, 3):
        (work,) = claim(engine, claimant(lease=-1))
        assert work.attempt == attempt
        assert recover(engine, storage, 3).failed_chunks == (attempt == 3)
    job = read_job(engine, job_id)
    assert (job.state, job.samples_failed, job.chunks_open) == (JobState.FAILED, 2, 0)
    assert "3 times" in (job.error or "")
    assert read_events(engine, job_id)[-1].kind == EventKind.FAILED


def test_an_attempt_that_fails_is_tried_again_and_a_chunk_that_fails_last_ends_its_job(
    engine: Engine, storage: ObjectStorage
) -> None:
    job_id = save_job(engine, [1])
    for _ in range(2):
        (work,) = claim(engine, claimant())
        try_again(engine, work, "The model was not ready.")
    (work,) = claim(engine, claimant())
    fail(engine, storage, work, {0: "The model returned numbers that are not finite."})
    assert claim(engine, claimant()) == []
    job = read_job(engine, job_id)
    assert (job.state, job.error) == (JobState.FAILED, "The model returned numbers that are not finite.")
    assert read_events(engine, job_id)[-1].kind == EventKind.FAILED


def test_a_chunk_that_was_given_back_counts_no_attempt(engine: Engine) -> None:
    save_job(engine, [1])
    give_back(engine, claim(engine, claimant()))
    (work,) = claim(engine, claimant("b"))
    assert work.attempt == 1


def test_a_late_completion_leaves_a_job_that_is_over_as_it_is(engine: Engine, storage: ObjectStorage) -> None:
    """What was not counted must not lie among its parts either."""
    job_id = save_job(engine, [4], per_chunk=2)
    first, second = claim(engine, claimant())
    with transaction(engine) as session:
        fail_jobs(session, {job_id}, "broken")
    with pytest.raises(LeaseLost, match="is over"):
        complete(engine, storage, second, PART)
    fail(engine, storage, first, {0: "late"})
    assert {chunk.state for chunk in read_chunks(engine, job_id)} == {ChunkState.RUNNING, ChunkState.FAILED}
    assert (read_job(engine, job_id).state, read_job(engine, job_id).error) == (JobState.FAILED, "broken")


def test_what_waits_too_long_is_found_again(engine: Engine, storage: ObjectStorage) -> None:
    job_id = save_job(engine, [1])
    _queued(engine, job_id, "+1 hour")  # it has not waited yet
    assert recover(engine, storage, 3).waiting_models == ()
    _queued(engine, job_id, "-1 minute")
    assert recover(engine, storage, 3).waiting_models == ("gem-1-bulk",)


@pytest.mark.parametrize(
    "illegal",
    [
        "UPDATE chunks SET state = 'running'",
        "UPDATE chunks SET state = 'done'",
        "UPDATE jobs SET state = 'ready', finished_at = now()",
        "UPDATE jobs SET state = 'failed', finished_at = now()",
        "UPDATE jobs SET state = 'lost'",
        "UPDATE jobs SET samples_done = samples_total + 1",
        "UPDATE jobs SET finished_at = now()",
    ],
)
def test_the_database_refuses_rows_that_no_legal_move_makes(engine: Engine, illegal: str) -> None:
    save_job(engine, [1])
    with pytest.raises(IntegrityError), transaction(engine) as session:
        session.execute(text(illegal))


def _waits_for_a_lock(engine: Engine) -> bool:
    with transaction(engine) as session:
        here = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
        waiting = f"{here} AND wait_event_type = 'Lock' AND query LIKE '%chunks%'"
        return session.scalar(text(waiting)) is not None


def _queued(engine: Engine, job_id: UUID, when: str) -> None:
    """As if it had been queued then, as seen from now."""
    with transaction(engine) as session:
        session.execute(
            text("UPDATE chunks SET queued_at = now() + CAST(:when AS interval) WHERE job_id = :job"),
            {"job": job_id, "when": when},
        )


def test_a_result_whose_time_is_over_is_deleted_and_its_job_says_so(
    engine: Engine, storage: ObjectStorage
) -> None:
    overdue, kept = save_job(engine, [1]), save_job(engine, [1])
    for work in claim(engine, claimant()):
        storage.put(f"results/{work.job_id}/part", b"counts")
        complete(engine, storage, work, PART)
    with transaction(engine) as session:
        session.execute(
            text("UPDATE jobs SET expires_at = now() - interval '1 s' WHERE id = :id"), {"id": overdue}
        )
    assert expire_results(engine, storage) == 1
    assert expire_results(engine, storage) == 0
    assert (read_job(engine, overdue).state, read_job(engine, kept).state) == (
        JobState.EXPIRED,
        JobState.READY,
    )
    assert storage.keys(f"results/{overdue}") == []
    assert storage.keys(f"results/{kept}") != []
    assert read_events(engine, overdue)[-1].kind == EventKind.EXPIRED


def test_what_another_worker_is_taking_is_passed_over_and_the_next_is_taken(engine: Engine) -> None:
    save_job(engine, [6], per_chunk=2)
    with transaction(engine) as other:
        first = other.scalars(claims.claimable({"gem-1-bulk": [1]}, (), 1, Turn())).all()
        assert other.scalars(*claims.lease(first, "other", timedelta(seconds=30))).all() == first
        assert [work.position for work in claim(engine, claimant(batch=2))] == [1]


def test_a_chunk_that_comes_back_after_its_job_is_over_is_not_computed_again(
    engine: Engine, storage: ObjectStorage
) -> None:
    job_id = save_job(engine, [4], per_chunk=2)
    first, second = claim(engine, claimant())
    with transaction(engine) as session:
        fail_jobs(session, {job_id}, "broken")
    for work in (first, second):
        try_again(engine, work, "broken")
    assert {chunk.state for chunk in read_chunks(engine, job_id)} == {ChunkState.QUEUED}
    assert claim(engine, claimant()) == []
    assert recover(engine, storage, 3).waiting_models == ()
    assert {chunk.state for chunk in read_chunks(engine, job_id)} == {ChunkState.CANCELLED}
