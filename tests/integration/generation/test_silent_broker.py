"""A broker that is down, frozen or emptied costs neither upkeep's sweep nor a worker's look for work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
from redis import Redis
from sqlalchemy import Engine, func, update

from cli.machine.process import Child, wait_until_ready
from cli.machine.valkey import Valkey, open_valkey
from shared.database.engines import transaction
from shared.database.queries.workers import live_upkeep
from shared.database.tables import Chunk
from shared.jobs.states import ChunkState, JobState
from tests.support.jobs import read_chunks, read_job, save_job
from tests.support.models import tiny_catalog
from tests.support.processes import wait_until

Start = Callable[[str], subprocess.Popen[bytes]]
SECONDS = 45  # many sweeps


def freeze(child: Child, _: Valkey) -> None:
    child.send(signal.SIGSTOP)


def thaw(child: Child, _: Valkey) -> None:
    child.send(signal.SIGCONT)


def kill(child: Child, _: Valkey) -> None:
    child.send(signal.SIGKILL)


def empty(_: Child, server: Valkey) -> None:
    with Redis.from_url(server.url()) as client:
        client.flushall()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[tuple[Child, Valkey]]:
    """A Valkey of the test's own."""
    tmp_path.chmod(0o711)
    server = open_valkey(tmp_path / "valkey")
    child = Child(server.program(tmp_path / "valkey.log"))
    wait_until_ready(child, server.ready, timedelta(seconds=60))
    yield child, server
    child.send(signal.SIGCONT)
    child.stop()


@pytest.fixture
def start(database_url: str, broker: tuple[Child, Valkey], tmp_path: Path) -> Iterator[Start]:
    """Starts a worker by the name of its module, with the default settings."""
    tiny_catalog(tmp_path / "models")
    processes: list[subprocess.Popen[bytes]] = []
    given = {
        "DATABASE_URL": database_url,
        "REDIS_URL": broker[1].url(),
        "STORAGE_URL": f"file://{tmp_path}/objects",
        "MODELS_DIR": str(tmp_path / "models"),
        "MODELS_CACHE": str(tmp_path / "cache"),
        "DEVICE": "cpu",
        "SECRET_KEY": "a secret of the tests",
    }
    environment = {**os.environ, **{f"GENEQUEUE_{name}": value for name, value in given.items()}}

    def run(module: str) -> subprocess.Popen[bytes]:
        with (tmp_path / f"{module}.log").open("ab") as output:
            command = [sys.executable, "-m", module]
            processes.append(subprocess.Popen(command, env=environment, stdout=output, stderr=output))
        return processes[-1]

    yield run
    for process in processes:
        process.kill()
        process.wait()


def upkeep_is_alive(engine: Engine, workers: int = 1) -> bool:
    with transaction(engine) as session:
        return session.scalars(live_upkeep(timedelta(seconds=10))).one() == workers


def is_ready(engine: Engine, job_id: UUID) -> bool:
    return read_job(engine, job_id).state == JobState.READY


def let_a_worker_die(engine: Engine, chunks: int = 1) -> UUID:
    """A job whose chunks are under leases that nobody renews and that have run out."""
    job_id = save_job(engine, [chunks], per_chunk=1)
    with transaction(engine) as session:
        dead = {"state": ChunkState.RUNNING, "owner": "dead", "attempts": 1, "token": 1}
        ended = func.now() - timedelta(seconds=1)
        session.execute(update(Chunk).where(Chunk.job_id == job_id).values(lease_expires_at=ended, **dead))
    return job_id


def is_taken_back(engine: Engine, job_id: UUID) -> bool:
    chunks = {(chunk.state, chunk.attempts) for chunk in read_chunks(engine, job_id)}
    return chunks == {(ChunkState.QUEUED, 1)}


def test_upkeep_takes_back_a_lease_within_seconds_though_the_broker_is_away(
    engine: Engine, broker: tuple[Child, Valkey], start: Start
) -> None:
    """Row 2, and row 5: emptied, frozen, thawed or dead; the sweep comes from a clock of its own."""
    start("worker.cpu")
    wait_until(lambda: upkeep_is_alive(engine), 120)
    for disturb in (empty, freeze, thaw, kill):
        disturb(*broker)
        for _ in range(2):
            job_id = let_a_worker_die(engine)
            wait_until(partial(is_taken_back, engine, job_id), SECONDS)


def test_upkeep_that_starts_without_a_broker_sweeps_and_says_when_it_ends(
    engine: Engine, broker: tuple[Child, Valkey], start: Start
) -> None:
    broker[0].send(signal.SIGKILL)
    job_id = let_a_worker_die(engine)
    upkeep = start("worker.cpu")
    wait_until(lambda: is_taken_back(engine, job_id), 120)
    wait_until(lambda: upkeep_is_alive(engine))
    upkeep.send_signal(signal.SIGTERM)
    assert upkeep.wait(60) == 0
    assert upkeep_is_alive(engine, 0)


def test_two_upkeep_workers_at_once_do_no_harm(engine: Engine, start: Start) -> None:
    for _ in range(2):
        start("worker.cpu")
    wait_until(lambda: upkeep_is_alive(engine, 2), 120)
    jobs = [let_a_worker_die(engine, 50) for _ in range(4)]
    wait_until(lambda: all(is_taken_back(engine, job_id) for job_id in jobs), SECONDS)


def test_a_worker_computes_what_is_queued_while_the_broker_is_away(
    engine: Engine, broker: tuple[Child, Valkey], start: Start
) -> None:
    """Rows 4 and 6: it looks for work by its own clock, and ends in good order when told to."""
    worker = start("worker.gpu")
    first = save_job(engine, [2])
    wait_until(lambda: is_ready(engine, first), 120)
    for disturb in (freeze, kill):
        disturb(*broker)
        for _ in range(2):
            job_id = save_job(engine, [2])
            wait_until(partial(is_ready, engine, job_id), SECONDS)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(60) == 0
    assert {chunk.attempts for chunk in read_chunks(engine, first)} == {1}
