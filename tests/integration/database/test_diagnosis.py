"""The statements that look at the whole, on a real Postgres."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, Select, text

from shared.database.engines import sync_engine, transaction
from shared.database.migrate import revisions, upgrade
from shared.database.queries import diagnosis, workers
from shared.database.tables import Role
from shared.jobs.lanes import Lane
from shared.jobs.states import ChunkState, JobState
from tests.support.jobs import read_chunks, save_job
from worker.generation.claim import Claimant, claim

NOBODY = timedelta(0)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = sync_engine(database_url)
    yield made
    made.dispose()


def claim_all(engine: Engine, owner: str, lease: timedelta = MINUTE) -> int:
    return len(claim(engine, Claimant(owner, lambda: {"gem-1-bulk": [1]}, lease, 100)))


def announce(engine: Engine, worker: str) -> None:
    with transaction(engine) as session:
        session.execute(workers.announce(worker, "host", 1, "cpu", {"gem-1-bulk": [1]}))


def execute(engine: Engine, statement: str) -> None:
    with transaction(engine) as session:
        session.execute(text(statement))


def test_postgres_tells_its_version_its_connections_and_its_time(engine: Engine) -> None:
    slack, before = timedelta(seconds=5), datetime.now(UTC)
    with transaction(engine) as session:
        version, allowed, in_use, copy = session.execute(diagnosis.server_facts()).one()
        told = session.scalars(diagnosis.clock()).one()
    assert version >= 150_000
    assert 1 <= in_use <= allowed
    assert copy is False
    assert before - slack < told < datetime.now(UTC) + slack


def test_open_work_is_counted_by_model_version_lane_and_state(engine: Engine) -> None:
    save_job(engine, [6], per_chunk=2)
    claim_all(engine, "a")
    save_job(engine, [5], per_chunk=2, model_id="gem-1-sc")
    save_job(engine, [4], per_chunk=4, model_id="gem-1-sc", lane="bulk")
    with transaction(engine) as session:
        rows = session.execute(diagnosis.open_work()).all()
        jobs = session.execute(diagnosis.open_jobs()).all()
    assert [tuple(row)[:6] for row in rows] == [
        ("gem-1-bulk", 1, Lane.INTERACTIVE, ChunkState.RUNNING, 3, 6),
        ("gem-1-sc", 1, Lane.BULK, ChunkState.QUEUED, 1, 4),
        ("gem-1-sc", 1, Lane.INTERACTIVE, ChunkState.QUEUED, 3, 5),
    ]
    assert all(timedelta() <= row[6] < MINUTE for row in rows)
    assert {tuple(row) for row in jobs} == {
        ("gem-1-bulk", JobState.RUNNING, 1),
        ("gem-1-sc", JobState.QUEUED, 2),
    }


def test_workers_are_told_with_what_they_hold_and_their_silence(engine: Engine) -> None:
    announce(engine, "a")
    execute(engine, "UPDATE workers SET seen_at = now() - interval '90 seconds'")
    with transaction(engine) as session:
        ((worker, device, models, silence),) = session.execute(diagnosis.known_workers()).all()
    assert (worker, device, models) == ("a", "cpu", {"gem-1-bulk": [1]})
    assert timedelta(seconds=90) <= silence < timedelta(seconds=90) + MINUTE


def test_upkeep_is_told_with_its_silence_and_is_no_generation_worker(engine: Engine) -> None:
    announce(engine, "a")
    with transaction(engine) as session:
        session.execute(workers.announce("u", "host", 2, "", {}, Role.UPKEEP))
    execute(engine, "UPDATE workers SET seen_at = now() - interval '90 seconds' WHERE id = 'u'")
    with transaction(engine) as session:
        ((upkeep, silence),) = session.execute(diagnosis.known_upkeep()).all()
        assert (upkeep, silence // MINUTE) == ("u", 1)
        assert [row[0] for row in session.execute(diagnosis.known_workers())] == ["a"]
        assert [worker.id for worker in session.scalars(workers.live_workers(5 * MINUTE))] == ["a"]
        assert session.scalars(workers.live_upkeep(2 * MINUTE)).one() == 1
        assert session.scalars(workers.live_upkeep(MINUTE)).one() == 0


def test_a_lease_is_overdue_when_it_ran_out_and_abandoned_when_its_owner_is_silent(engine: Engine) -> None:
    save_job(engine, [4], per_chunk=2)
    announce(engine, "a")
    assert claim_all(engine, "a") == 2

    def found() -> tuple[int, timedelta | None, int]:
        with transaction(engine) as session:
            overdue, latest = session.execute(diagnosis.overdue_leases(timedelta(seconds=10))).one()
            return overdue, latest, session.scalars(diagnosis.abandoned_leases(MINUTE)).one()

    assert found() == (0, None, 0)
    execute(engine, "UPDATE workers SET seen_at = now() - interval '2 minutes'")
    assert found() == (0, None, 2)
    execute(engine, "UPDATE chunks SET lease_expires_at = now() - interval '30 seconds' WHERE position = 0")
    overdue, latest, abandoned = found()
    assert (overdue, abandoned) == (1, 1)
    assert latest is not None
    assert timedelta(seconds=30) <= latest < MINUTE


def test_a_job_that_is_not_over_and_has_no_open_chunk_is_found(engine: Engine) -> None:
    moving, done, bare = save_job(engine), save_job(engine), save_job(engine)
    execute(engine, f"UPDATE chunks SET state = 'cancelled' WHERE job_id = '{done}'")
    execute(engine, f"DELETE FROM chunks WHERE job_id = '{bare}'")
    with transaction(engine) as session:
        found = {row[0]: tuple(row)[1:] for row in session.execute(diagnosis.unmoved_jobs(NOBODY, 10))}
        assert session.execute(diagnosis.unmoved_jobs(MINUTE, 10)).all() == [], "they are too young"
    assert found == {done: (JobState.QUEUED, 2), bare: (JobState.QUEUED, 0)}
    assert moving not in found


def test_the_keys_that_must_lie_in_the_storage_are_told_until_the_job_expires(engine: Engine) -> None:
    job = save_job(engine, [2], per_chunk=2)
    claim_all(engine, "a")
    chunk = read_chunks(engine, job)[0]
    execute(
        engine,
        "UPDATE chunks SET state = 'done', owner = NULL, lease_expires_at = NULL, part_key = 'results/p', "
        f"finished_at = now() WHERE id = {chunk.id}",
    )

    def stored() -> list[tuple[object, ...]]:
        with transaction(engine) as session:
            return [tuple(row) for row in session.execute(diagnosis.stored_results())]

    assert stored() == [(job, None, "results/p")]
    with transaction(engine) as session:
        assert session.scalars(diagnosis.unfinished_among({job})).all() == [job]
    execute(engine, "UPDATE jobs SET state = 'expired', finished_at = now()")
    assert stored() == []
    with transaction(engine) as session:
        assert session.scalars(diagnosis.unfinished_among({job})).all() == []


def test_a_database_tells_how_far_its_schema_is(empty_database_url: str) -> None:
    engine = sync_engine(empty_database_url, pool_size=1)
    try:
        assert revisions(engine).current is None
        upgrade(empty_database_url, "0001")
        assert (revisions(engine).current, revisions(engine).known[0]) == ("0001", "0001")
        upgrade(empty_database_url)
        assert revisions(engine).current == revisions(engine).newest
    finally:
        engine.dispose()


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (diagnosis.open_work(), "chunks_to_claim"),
        (diagnosis.open_jobs(), "jobs_unfinished"),
        (diagnosis.unmoved_jobs(MINUTE, 5), "jobs_unfinished"),
        (diagnosis.overdue_leases(MINUTE), "chunks_on_lease"),
    ],
)
def test_what_is_asked_often_reads_no_finished_rows(
    engine: Engine, statement: Select[Any], index: str
) -> None:
    with transaction(engine) as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        compiled = statement.compile(engine, compile_kwargs={"literal_binds": True})
        plan = session.connection().exec_driver_sql(f"EXPLAIN {compiled}").scalars().all()
    assert index in "\n".join(plan)
    assert not any(f"Seq Scan on {table}" in line for line in plan for table in ("jobs", "chunks"))
