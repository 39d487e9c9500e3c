"""Rows 12, 14 and 7: a worker or an upkeep that is really killed, or frozen, at every step it goes.

Whatever it left behind, the next ones end every job with the bytes of an undisturbed run.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from uuid import UUID

import orjson
import psutil
import psycopg
import pytest
import torch
from sqlalchemy import Engine as DatabaseEngine
from sqlalchemy import func, select, update

from shared.database.engines import sync_engine, transaction
from shared.database.queries import claims
from shared.database.tables import Chunk, Job
from shared.jobs.events import EventKind
from shared.jobs.states import ChunkState, JobState
from shared.results.manifest import result_prefix
from shared.shelf import Shelf
from tests.integration.generation.conftest import Workshop
from tests.support.jobs import read_chunks, read_events, read_job, save_job
from tests.support.models import tiny_catalog
from tests.support.mortal import DEADLY_SEED, Fate, Place, start_upkeep, start_worker
from tests.support.processes import wait_until
from tests.system.chaos import audit
from worker.generation.claim import Claimant, claim
from worker.generation.engines import Engines
from worker.generation.heartbeat import Heartbeat, WorkerCard
from worker.generation.recovery import recover
from worker.generation.retention import sweep_results
from worker.inference.engine import Engine

KILLED = -signal.SIGKILL
HELD = {"gem-1-bulk": [1]}
ATTEMPTS = 3
NOW = timedelta(seconds=-1)
FROZEN_LEASE = timedelta(seconds=0.3)
STEPS = {
    *("before commit", "after commit", "before computing", "after computing"),
    *("before part", "after part", "before manifest", "after manifest"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("steps")
    tiny_catalog(made / "models", genes=50)
    return made


@pytest.fixture(scope="module")
def living_engines(folder: Path) -> Engines:
    shelf = Shelf(tiny_catalog(folder / "models", genes=50), Place("", folder).storage, folder / "cache")
    return Engines(shelf, lambda model: Engine.open(model, torch.device("cpu")), 2)


@pytest.fixture
def place(database_url: str, folder: Path) -> Iterator[Place]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        audit.install(connection)
    yield Place(database_url, folder)
    for process in multiprocessing.active_children():
        process.kill()  # One that is frozen would wait for us, and we for it.


@pytest.fixture
def living(place: Place, living_engines: Engines) -> Iterator[Workshop]:
    """The worker that comes after the dead one."""
    database = sync_engine(place.database_url)
    lease = timedelta(seconds=30)
    with Heartbeat(database, WorkerCard("living", "cpu"), lease, timedelta(seconds=1)) as heartbeat:
        yield Workshop(database, place.storage, heartbeat, living_engines)
    database.dispose()


def ended(process: ForkServerProcess) -> int | None:
    """How a process ended."""
    process.join(120)
    return process.exitcode


def let_expire(database: DatabaseEngine) -> None:
    """Time passes, and nobody renews."""
    with transaction(database) as session:
        leased = update(Chunk).where(Chunk.state == ChunkState.RUNNING)
        session.execute(leased.values(lease_expires_at=func.now() - timedelta(seconds=1)))


def pick_up(living: Workshop) -> None:
    """What happens after a death: leases end, upkeep sweeps, another worker works."""
    let_expire(living.database)
    recover(living.database, living.storage, ATTEMPTS)
    living.drain()


def assert_whole(living: Workshop, job_id: UUID, parts: list[bytes]) -> None:
    """The job is ready with these parts, each completed once; nothing of it is held or left over."""
    job, chunks = read_job(living.database, job_id), read_chunks(living.database, job_id)
    assert (job.state, job.chunks_open, job.samples_failed) == (JobState.READY, 0, 0)
    assert job.samples_done == job.samples_total
    assert {(chunk.state, chunk.owner, chunk.lease_expires_at) for chunk in chunks} == {
        (ChunkState.DONE, None, None)
    }
    assert living.parts(job_id) == parts
    assert set(completions(living, job_id).values()) == {1}
    manifest = orjson.loads(living.storage.get(job.manifest_key or ""))
    assert [part["key"] for part in manifest["parts"]] == [chunk.part_key for chunk in chunks]
    assert_one_life(living, job_id, EventKind.READY)
    sweep_results(living.database, living.storage, NOW)
    named = {chunk.part_key for chunk in chunks} | {job.manifest_key}
    assert set(living.storage.keys(result_prefix(job_id))) == named


def assert_one_life(living: Workshop, job_id: UUID, last: EventKind) -> None:
    """Events are numbered without a gap, and the job began and ended once."""
    events = read_events(living.database, job_id)
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert events[-1].kind == last
    kinds = Counter(event.kind for event in events)
    assert (kinds[EventKind.QUEUED], kinds[EventKind.RUNNING], kinds[last]) == (1, 1, 1)


def completions(living: Workshop, job_id: UUID) -> Counter[str]:
    """How often each of the job's chunks was completed, by the second set of books."""
    ids = {str(chunk.id) for chunk in read_chunks(living.database, job_id)}
    url = living.database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as connection:
        moves = audit.moves(connection)
    return Counter(
        move.subject
        for move in moves
        if move.kind == "chunk" and move.after == ChunkState.DONE and move.subject in ids
    )


def test_a_worker_that_dies_at_any_step_leaves_a_job_that_ends_with_the_same_bytes(
    place: Place, living: Workshop
) -> None:
    """Row 12, and 31: no state lasts, no part of a dead attempt counts."""
    undisturbed = save_job(living.database, [2, 1], per_chunk=2)
    living.drain()
    parts = living.parts(undisturbed)
    died_at: list[str] = []

    def dies(at: int | str) -> bool:
        job_id = save_job(living.database, [2, 1], per_chunk=2)
        exitcode = ended(start_worker(place, Fate(at)))
        assert exitcode in {0, KILLED}
        if exitcode == KILLED:
            died_at.append(place.log.read_text().splitlines()[-1])
            pick_up(living)
        assert_whole(living, job_id, parts)
        return exitcode == KILLED

    while dies(len(died_at) + 1):
        pass
    # Two threads write at once: the n-th step is not the same in each life.
    assert all(dies(step) for step in STEPS - set(died_at))
    assert set(died_at) >= STEPS


def leave(living: Workshop, job_id: UUID, attempts: int, chunk: int | None = None) -> None:
    """Chunks of a job as a worker leaves them that died at this attempt: all, or the one at a place."""
    with transaction(living.database) as session:
        mine = select(Chunk.id).where(Chunk.job_id == job_id)
        ids = session.scalars(mine if chunk is None else mine.where(Chunk.position == chunk)).all()
        session.execute(*claims.lease(ids, "dead", timedelta(seconds=-1)))
        session.execute(update(Chunk).where(Chunk.id.in_(ids)).values(attempts=attempts))
        session.execute(*claims.start_jobs({job_id}))


def everything_that_upkeep_settles(living: Workshop) -> list[UUID]:
    """Jobs whose chunks are to be queued again, cut, and given up: with samples to deliver, and without;
    and one that is late."""
    again, cut, rest, hopeless = (save_job(living.database, [1, 1], per_chunk=size) for size in (1, 2, 1, 2))
    last = save_job(living.database, [2], per_chunk=2)
    leave(living, rest, ATTEMPTS, chunk=1)
    with transaction(living.database) as session:
        others = update(Chunk).where(Chunk.job_id.in_([again, cut, hopeless, last]))
        session.execute(others.values(model_id="unheld"))
    living.drain()
    with transaction(living.database) as session:
        session.execute(update(Chunk).where(Chunk.model_id == "unheld").values(model_id="gem-1-bulk"))
    leave(living, again, 1)
    leave(living, cut, 2)
    leave(living, last, ATTEMPTS)
    leave(living, hopeless, 1)
    with transaction(living.database) as session:
        late = update(Job).where(Job.id == hopeless)
        session.execute(late.values(deadline=datetime.now(UTC) - timedelta(seconds=1)))
    return [again, cut, rest, last, hopeless]


def outcome(living: Workshop, job_id: UUID) -> tuple[object, ...]:
    """All about a job that must not depend on who died."""
    job, chunks = read_job(living.database, job_id), read_chunks(living.database, job_id)
    events = read_events(living.database, job_id)
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert not any(chunk.owner or chunk.lease_expires_at for chunk in chunks)
    pieces = [
        (chunk.first_sample, chunk.num_samples, chunk.state, chunk.part_sha256, chunk.error)
        for chunk in chunks
    ]
    kinds = [event.kind for event in events]
    return job.state, job.samples_done, job.samples_failed, job.chunks_open, sorted(pieces), kinds


def test_an_upkeep_that_dies_at_any_step_leaves_to_the_next_one_what_an_undisturbed_one_would_have_done(
    place: Place, living: Workshop
) -> None:
    """Row 12: while it queues again, cuts, gives up, and ends what is late."""
    jobs = everything_that_upkeep_settles(living)
    assert ended(start_upkeep(place, Fate())) == 0
    living.drain()
    expected, deaths = [outcome(living, job_id) for job_id in jobs], 0
    assert [state for state, *_ in expected] == ["ready", "ready", "ready", "failed", "failed"]
    while True:
        jobs = everything_that_upkeep_settles(living)
        exitcode = ended(start_upkeep(place, Fate(deaths + 1)))
        if exitcode == KILLED:
            deaths += 1
            recover(living.database, living.storage, ATTEMPTS)
        living.drain()
        assert [outcome(living, job_id) for job_id in jobs] == expected
        if exitcode == 0:
            break
    assert deaths > 12


def frozen(process: ForkServerProcess) -> Callable[[], bool]:
    """Whether it is stopped."""
    assert process.pid is not None
    known = psutil.Process(process.pid)
    return lambda: known.status() == psutil.STATUS_STOPPED


@pytest.mark.parametrize("step", ["before computing", "after computing", "before part", "after part"])
def test_a_worker_that_was_frozen_past_its_lease_changes_nothing_when_it_goes_on(
    place: Place, living: Workshop, step: str
) -> None:
    """Row 14: somebody else has the chunk then; what it writes is refused, and no row will name it."""
    undisturbed = save_job(living.database, [2])
    living.drain()
    parts, job_id = living.parts(undisturbed), save_job(living.database, [2])
    stopped = start_worker(place, Fate(step, signal.SIGSTOP, FROZEN_LEASE))
    wait_until(frozen(stopped))
    wait_until(lambda: recover(living.database, living.storage, ATTEMPTS).taken_back == 1)
    (work,) = claim(living.database, Claimant("other", lambda: HELD, timedelta(minutes=1), 2))
    assert work.job_id == job_id
    rows = _rows(living, job_id)
    os.kill(stopped.pid or 0, signal.SIGCONT)
    assert ended(stopped) == 0
    assert _rows(living, job_id) == rows
    steps = place.log.read_text().splitlines()
    assert "part" not in step or "update chunks" in steps[steps.index(step) :], "it did not try to write"
    pick_up(living)
    assert_whole(living, job_id, parts)


@pytest.mark.parametrize("step", ["insert events", "before manifest", "after manifest"])
def test_a_worker_that_was_frozen_inside_a_transaction_goes_on_and_the_job_is_done_once(
    place: Place, living: Workshop, step: str
) -> None:
    """Row 14: its rows are locked meanwhile, so nobody else takes them."""
    undisturbed = save_job(living.database, [2])
    living.drain()
    job_id = save_job(living.database, [2])
    stopped = start_worker(place, Fate(step, signal.SIGSTOP, FROZEN_LEASE))
    wait_until(frozen(stopped))
    for _ in range(3):
        recover(living.database, living.storage, ATTEMPTS)
        living.drain()
    os.kill(stopped.pid or 0, signal.SIGCONT)
    assert ended(stopped) == 0
    recover(living.database, living.storage, ATTEMPTS)
    living.drain()
    assert_whole(living, job_id, living.parts(undisturbed))


def _rows(living: Workshop, job_id: UUID) -> list[object]:
    chunks = read_chunks(living.database, job_id)
    job = read_job(living.database, job_id)
    of_chunks = [(chunk.state, chunk.owner, chunk.token, chunk.part_key) for chunk in chunks]
    return [job.state, job.manifest_key, job.events, *of_chunks]


def test_an_input_that_kills_its_process_fails_with_a_reason_and_its_neighbours_are_delivered(
    place: Place, living: Workshop
) -> None:
    """Row 7, with real deaths; test_failures tells of other places than the last."""
    guilty = 3
    undisturbed = save_job(living.database, [1] * 4, per_chunk=4, seed=DEADLY_SEED)
    living.drain()
    bystander = save_job(living.database, [1])
    job_id = save_job(living.database, [1] * 4, per_chunk=4, seed=DEADLY_SEED)
    deaths = 0
    while ended(start_worker(place, Fate(deadly_input=guilty))) == KILLED:
        deaths += 1
        let_expire(living.database)
        recover(living.database, living.storage, ATTEMPTS)
    assert ATTEMPTS <= deaths <= 6
    job = read_job(living.database, job_id)
    assert (job.state, job.samples_done, job.samples_failed) == (JobState.READY, 3, 1)
    rows = living.table(undisturbed).to_pylist()
    delivered = sorted(living.table(job_id).to_pylist(), key=lambda row: row["input_index"])
    assert delivered == [row for row in rows if row["input_index"] != guilty]
    (failure,) = orjson.loads(living.storage.get(job.manifest_key or ""))["failures"]
    assert failure["input_index"] == guilty
    assert "stopped answering" in failure["reason"]
    assert read_job(living.database, bystander).state == JobState.READY
