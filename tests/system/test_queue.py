"""A whole deployment whose broker repeats itself, forgets, hangs and dies, and whose queue is long.

Rows 1, 3, 4, 5, 6, 8, 11, 15, 16 and 18 of the failure modes: what is in Postgres is what counts. Workers
here do not look for work by their own clock, so that a wake-up that is lost for good would be seen.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import httpx
import psutil
import pytest
from redis import Redis
from sqlalchemy import Engine as DatabaseEngine

from shared.database.engines import sync_engine, transaction
from shared.database.queries.cancelling import cancel_chunks, cancel_job
from shared.database.tables import Chunk
from shared.jobs.states import ChunkState, JobState
from shared.messages import WAKE_GENERATION, Queue
from shared.queue import WakeUps, celery_app
from tests.support.api import query_of
from tests.support.jobs import read_chunks, read_job, save_job
from tests.system.chaos import audit
from tests.system.chaos.holding import stopped
from tests.system.chaos.stage import APIS, QUICK, UPKEEP, VALKEY, WORKERS, Plan, Stage, running_stage

GENERATION = str(Queue.GENERATION)
LEASE_SECONDS = 10
SETTINGS = {
    **QUICK,
    "GENEQUEUE_LEASE": f"PT{LEASE_SECONDS}S",
    "GENEQUEUE_SWEEP_INTERVAL": "PT0.2S",
    "GENEQUEUE_LOOK_INTERVAL": "PT1H",
    "GENEQUEUE_WATCHDOG": "PT20S",
}
# Longer than a client of the broker waits for an answer, and than its check that somebody is there.
HANGS_SECONDS = 12
# Samples of one chunk, until one takes longer than its lease on this machine.
SLOW_CHUNKS = (480_000, 960_000, 1_920_000)
ROUNDS, JOBS_A_ROUND, KEPT_OF_A_JOB = 12, 200, 2_500  # the last in bytes


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with running_stage(tmp_path_factory.mktemp("queue"), Plan(SETTINGS)) as made:
        yield made


@pytest.fixture(scope="module")
def rows(stage: Stage) -> Iterator[DatabaseEngine]:
    made = sync_engine(stage.database_url)
    yield made
    made.dispose()


@pytest.fixture
def wake_up(redis_url: str) -> bytes:
    """A wake-up as it lies in a broker; of another broker."""
    sender = WakeUps(celery_app("test", redis_url))
    sender.ask(WAKE_GENERATION)
    sender.close()
    with Redis.from_url(redis_url) as client:
        message = client.lpop(GENERATION)
    assert isinstance(message, bytes)
    return message


class Caller:
    """Somebody who submits small queries; each must be accepted, whatever the broker does."""

    def __init__(self, stage: Stage) -> None:
        self._stage, self._http = stage, httpx.Client(timeout=60)
        self._headers = {"Authorization": f"Bearer {stage.keys[0]}"}

    def submit(self, number: int = 0) -> UUID:
        """One job of one or two samples."""
        url = self._stage.urls[number % len(self._stage.urls)] + "/api/models/gem-1-bulk/predict"
        answer = self._http.post(url, json=query_of(1 + number % 2), headers=self._headers)
        assert answer.status_code == 202, answer.text
        return UUID(answer.json()["modelQueryId"])

    def close(self) -> None:
        """Hang up."""
        self._http.close()


@pytest.fixture
def caller(stage: Stage) -> Iterator[Caller]:
    stage.wait(stage.is_whole)  # whatever the test before did to it
    made = Caller(stage)
    yield made
    made.close()


@contextmanager
def load(caller: Caller) -> Iterator[list[UUID]]:
    """Submits beside the block, some ten a second; the list holds all that were accepted."""
    jobs: list[UUID] = []
    over = threading.Event()

    def submit() -> None:
        while not over.wait(0.1):
            jobs.append(caller.submit(len(jobs)))

    with ThreadPoolExecutor(1) as pool:
        submitting = pool.submit(submit)
        try:
            yield jobs
        finally:
            over.set()
        submitting.result()


def unfinished(stage: Stage, jobs: Sequence[UUID]) -> int:
    """How many of these are not ready."""
    statement = "SELECT count(*) FROM jobs WHERE id = ANY(%s) AND state <> 'ready'"
    with stage.database() as connection:
        row = connection.execute(statement, [list(jobs)]).fetchone()
    assert row is not None
    return int(row[0])


def wait_for(stage: Stage, jobs: Sequence[UUID], seconds: float = 120) -> None:
    """Until all of these are ready."""
    stage.wait(lambda: unfinished(stage, jobs) == 0, seconds)


def owners(stage: Stage, jobs: Sequence[UUID]) -> set[str]:
    """Who worked on these jobs."""
    chunks = "SELECT id::text FROM chunks WHERE job_id = ANY(%s)"
    with stage.database() as connection:
        mine = {chunk for (chunk,) in connection.execute(chunks, [list(jobs)])}
        moves = audit.moves(connection)
    done = {move.owner for move in moves if move.subject in mine and move.after == ChunkState.DONE}
    return {owner for owner in done if owner}


def stop(rows: DatabaseEngine, *jobs: UUID) -> None:
    """Cancel what a test leaves behind."""
    for job_id in jobs:
        with transaction(rows) as session:
            session.execute(cancel_chunks(job_id))
            session.execute(cancel_job(job_id))


def test_a_message_that_is_delivered_again_while_its_worker_computes_changes_nothing(
    stage: Stage, rows: DatabaseEngine, wake_up: bytes
) -> None:
    """Row 1: the chunk takes longer than its lease, and the other worker is asked again and again."""
    for samples in SLOW_CHUNKS:
        chunk, asked_again = computed(stage, rows, wake_up, samples)
        with stage.database() as connection:
            life = [move.after for move in audit.moves(connection) if move.subject == str(chunk.id)]
        assert life == [ChunkState.RUNNING, ChunkState.DONE]
        assert_stored_once(stage, chunk.job_id)
        shutil.rmtree(results(stage, chunk.job_id))  # The disk is small, and the next one is larger.
        assert chunk.finished_at
        assert chunk.claimed_at
        took = (chunk.finished_at - chunk.claimed_at).total_seconds()
        if asked_again and took > LEASE_SECONDS:
            return
    raise AssertionError("even the largest was done within its lease, or nobody was asked meanwhile")


def computed(stage: Stage, rows: DatabaseEngine, wake_up: bytes, samples: int) -> tuple[Chunk, bool]:
    """A chunk that is done, and whether the other worker was asked again while it was computed."""
    asked_again = False
    job_id = save_job(rows, [samples], per_chunk=samples)

    def is_over() -> bool:
        return read_job(rows, job_id).finished_at is not None

    with stage.broker() as broker:
        broker.lpush(GENERATION, wake_up)
        stage.wait(lambda: read_chunks(rows, job_id)[0].state != ChunkState.QUEUED)
        while not is_over():
            broker.lpush(GENERATION, *[wake_up] * 20)
            stage.wait(lambda: broker.llen(GENERATION) == 0 or is_over())
            asked_again = asked_again or not is_over()
            stage.pause(0.5)
    assert read_job(rows, job_id).state == JobState.READY
    return read_chunks(rows, job_id)[0], asked_again


def results(stage: Stage, job_id: UUID) -> Path:
    return stage.disk.objects / "results" / str(job_id)


def assert_stored_once(stage: Stage, job_id: UUID) -> None:
    stored = [path.name for path in results(stage, job_id).iterdir()]
    assert sorted(name.partition("-")[0] for name in stored) == ["manifest", "part"]


def test_short_jobs_and_small_workspaces_do_not_wait_for_a_flood(
    stage: Stage, rows: DatabaseEngine, caller: Caller
) -> None:
    """Rows 3 and 16, on two workers: of the flood, each takes the batch in hand, and no second one.

    The workers stand still while the short jobs are saved: nobody may choose between the two before.
    """
    flood = save_job(rows, [1_000_000], per_chunk=500, workspace="flood")
    caller.submit()  # wakes them
    stage.wait(lambda: read_job(rows, flood).samples_done > 0)
    with stopped(stage, *WORKERS):
        shorts = [save_job(rows, [1], workspace=name) for name in ["flood"] * 10 + ["somebody else"]]
    wait_for(stage, shorts)
    assert read_job(rows, flood).state == JobState.RUNNING
    began = [chunk.claimed_at for chunk in read_chunks(rows, flood) if chunk.claimed_at]
    (last,) = read_chunks(rows, shorts[-1])
    assert last.claimed_at
    between = [at for at in began if last.queued_at < at < last.claimed_at]
    assert len(between) <= len(WORKERS)
    stop(rows, flood)


def flush(stage: Stage) -> None:
    with stage.broker() as broker:
        broker.flushall()


def kill(stage: Stage) -> None:
    stage.child(VALKEY).send(signal.SIGKILL)
    stage.child(VALKEY).end()
    stage.wait(stage.is_whole)


@pytest.mark.parametrize(("disturb", "times"), [(flush, 25), (kill, 4)])
def test_under_load_a_broker_that_forgets_everything_or_dies_again_and_again_loses_no_job(
    stage: Stage, caller: Caller, disturb: Callable[[Stage], None], times: int
) -> None:
    """Rows 5 and 4."""
    chance = random.Random(5)
    with load(caller) as jobs:
        for _ in range(times):
            disturb(stage)
            stage.pause(chance.uniform(0.05, 0.2))
        stage.wait(lambda: len(jobs) > 10)
    wait_for(stage, jobs)


def test_a_broker_that_hangs_for_long_leaves_no_worker_deaf(stage: Stage, caller: Caller) -> None:
    """Row 4: it is stopped, and goes on; the same workers, or those that follow them, work again."""
    with load(caller) as jobs:
        with stopped(stage, VALKEY):
            stage.pause(HANGS_SECONDS)
        stage.pause(1)
    wait_for(stage, jobs)
    for alone, other in (WORKERS, WORKERS[::-1]):
        with stopped(stage, other):
            answered = caller.submit()
            wait_for(stage, [answered])
        assert all(f"-{stage.pid(alone)}-" in owner for owner in owners(stage, [answered]))


def test_a_job_that_is_submitted_while_the_broker_is_down_finishes_when_it_is_back(
    stage: Stage, caller: Caller
) -> None:
    """Row 6."""
    kept = stage.child(VALKEY)
    kept.send(signal.SIGKILL)
    kept.end()
    # Nobody tends the stage: the broker stays away.
    jobs = [caller.submit(number) for number in range(10)]
    time.sleep(1)
    assert unfinished(stage, jobs) == len(jobs)
    wait_for(stage, jobs)


def test_a_long_queue_lies_in_the_rows_and_the_broker_holds_a_few_messages_none_of_them_for_later(
    stage: Stage, rows: DatabaseEngine, caller: Caller
) -> None:
    """Row 11: wake-ups do not pile up however long nobody hears them."""
    with stopped(stage, *WORKERS), stage.broker() as broker:
        flood = save_job(rows, [5_000], per_chunk=1)
        before = int(broker.info("memory")["used_memory"])
        jobs = [caller.submit(number) for number in range(100)]
        stage.pause(2)  # upkeep sees some ten times that somebody waits
        stage.wait(lambda: broker.llen(GENERATION) > 0)
        grown = int(broker.info("memory")["used_memory"]) - before
        reserved = broker.exists("unacked", "unacked_index")
        waiting = broker.lrange(GENERATION, 0, -1)
    stop(rows, flood)
    assert waiting
    assert len(waiting) < 16
    assert [json.loads(message)["headers"]["eta"] for message in waiting] == [None] * len(waiting)
    assert grown < 200_000
    assert not reserved
    wait_for(stage, jobs)


def mapped(process: psutil.Process) -> set[str]:
    """The names of the libraries that a process has loaded."""
    return {each.path.rpartition("/")[2] for each in process.memory_maps()}


def test_only_the_processes_that_compute_load_networks_and_each_of_them_computes_itself(
    stage: Stage, caller: Caller
) -> None:
    """Row 18: no network library where nothing is computed; and no child of a process that loaded one."""
    jobs = [caller.submit(number) for number in range(20)]
    wait_for(stage, jobs)
    for name in (*APIS, UPKEEP):
        for process in stage.family(name):
            assert not [library for library in mapped(process) if "torch" in library], name
    for name in WORKERS:
        (process,) = stage.family(name)
        assert "libtorch_cpu.so" in mapped(process)


def test_a_worker_is_one_process_however_many_tasks_it_answers_and_its_connections_are_its_own(
    stage: Stage, rows: DatabaseEngine, caller: Caller, wake_up: bytes
) -> None:
    """Row 15: there is no fork that an engine could be made before."""
    pids, seen = [stage.pid(name) for name in WORKERS], set[int]()
    with stage.broker() as broker:
        for number in range(20):
            caller.submit(number)
            broker.lpush(GENERATION, wake_up)
            seen |= {len(stage.family(name)) for name in WORKERS}
    assert seen == {1}
    assert [stage.pid(name) for name in WORKERS] == pids
    port = stage.postgres_wire.port
    for pid in pids:
        ends = [each.raddr.port for each in psutil.Process(pid).net_connections() if each.raddr]
        assert port in ends


def resident(stage: Stage) -> dict[str, int]:
    """Bytes that each of our processes holds."""
    return {
        name: sum(process.memory_info().rss for process in stage.family(name))
        for name in (*APIS, *WORKERS, UPKEEP)
    }


def serve(stage: Stage, caller: Caller, jobs: int) -> None:
    """Submit so many jobs, and have them done."""
    with ThreadPoolExecutor(4) as pool:
        accepted = list(pool.map(caller.submit, range(jobs)))
    wait_for(stage, accepted)


@pytest.mark.timeout(1200)
def test_many_small_jobs_leave_no_memory_behind(stage: Stage, caller: Caller) -> None:
    """Row 8, in short: what is kept of each job is kept in every round; what only settles is not."""
    grown: list[dict[str, int]] = []
    while len(grown) < ROUNDS:
        before = resident(stage)
        serve(stage, caller, JOBS_A_ROUND)
        grown.append({name: after - before[name] for name, after in resident(stage).items()})
        least = {name: min(each[name] for each in grown) for name in before}
        if max(least.values()) < JOBS_A_ROUND // 2 * KEPT_OF_A_JOB:  # each of two does a half
            return
    raise AssertionError(f"bytes kept of {JOBS_A_ROUND} jobs, at least: {least}")
