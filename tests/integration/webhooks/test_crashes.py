"""The upkeep worker is killed and the broker emptied in the middle: every event arrives all the same."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from redis import Redis
from sqlalchemy import Engine, text

from cli.machine.process import Child, wait_until_ready
from cli.machine.valkey import Valkey, open_valkey
from shared.database.engines import transaction
from shared.database.queries.events import save_event
from shared.jobs.events import EventKind
from shared.webhooks.keys import Secret
from shared.webhooks.sealing import Seal
from shared.webhooks.signatures import message_id
from tests.support.jobs import save_job
from tests.support.processes import wait_until
from tests.support.receivers import Receiver, Reply, Request, receiver
from tests.support.upkeep import environment_of, upkeep_worker
from tests.support.webhooks import deliveries_to, save_endpoint

ENDPOINTS, JOBS, EVENTS = 10, 25, 2
DELIVERIES = ENDPOINTS * JOBS * EVENTS
BEFORE = 100  # arrive before the worker dies
PATIENCE = 120
_READY = """
    UPDATE jobs
    SET state = 'ready', events = 2, finished_at = now(), chunks_open = 0, samples_done = samples_total,
        manifest_key = 'manifest'
    WHERE id = :id
"""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Valkey]:
    """A Valkey of the test's own."""
    tmp_path.chmod(0o711)
    server = open_valkey(tmp_path / "valkey")
    child = Child(server.program(tmp_path / "valkey.log"))
    wait_until_ready(child, server.ready, timedelta(seconds=60))
    yield server
    child.stop()


class Gate:
    """Answers the first requests; holds the later ones until it is opened."""

    def __init__(self) -> None:
        self._seen, self._lock, self._opened = 0, threading.Lock(), threading.Event()

    def __call__(self, _: Request) -> Reply:
        with self._lock:
            self._seen += 1
            is_late = self._seen > BEFORE
        if is_late:
            self._opened.wait(PATIENCE)
        return Reply()

    @property
    def held(self) -> int:
        """How many wait, or have waited."""
        return max(0, self._seen - BEFORE)

    def open(self) -> None:
        """Answer whoever waits, and all others."""
        self._opened.set()


def empty(server: Valkey) -> None:
    with Redis.from_url(server.url()) as client:
        client.flushall()


def happen(engine: Engine, jobs: int) -> list[UUID]:
    """Jobs that are queued and ready at once."""
    made = [save_job(engine) for _ in range(jobs)]
    for job in made:
        with transaction(engine) as session:
            session.execute(text(_READY), {"id": job})
            session.execute(*save_event(job, 2, EventKind.READY))
    return made


def end_leases_of_the_dead(engine: Engine) -> int:
    """They last half a minute; returns how many there were."""
    statement = "UPDATE webhook_deliveries SET due_at = now() WHERE state = 'sending' RETURNING id"
    with transaction(engine) as session:
        return len(session.execute(text(statement)).all())


def open_deliveries(engine: Engine) -> int:
    with transaction(engine) as session:
        statement = text("SELECT count(*) FROM webhook_deliveries WHERE finished_at IS NULL")
        return int(session.scalars(statement).one())


def check(
    engine: Engine, lab: Receiver, endpoints: dict[str, UUID], secret: Secret, jobs: list[UUID]
) -> None:
    """Every event was told to every endpoint, verified, under one id and no other's."""
    told = {
        (request.id, request.path, payload["data"]["id"], payload["data"]["event"]["number"])
        for request in lab.requests
        for payload in [request.verified(secret)]
    }
    expected = {
        (message_id(delivery.id), path, str(delivery.job_id), delivery.event_number)
        for path, endpoint in endpoints.items()
        for delivery in deliveries_to(engine, endpoint)
    }
    assert told == expected
    assert {named[1:] for named in told} == {
        (path, str(job), number) for path in endpoints for job in jobs for number in (1, 2)
    }
    assert len(told) == len({named[0] for named in told}) == DELIVERIES


def test_every_event_arrives_under_its_id_though_the_worker_is_killed_and_the_broker_emptied(
    engine: Engine, database_url: str, broker: Valkey, seal: Seal, tmp_path: Path
) -> None:
    secret, gate = Secret.new(), Gate()
    environment = environment_of(database_url, broker.url(), tmp_path)
    with receiver(gate) as lab:
        endpoints = {
            f"/hook/{number}": save_endpoint(engine, f"{lab.url}/{number}", secret=seal.close(secret))
            for number in range(ENDPOINTS)
        }
        jobs = happen(engine, JOBS // 2)
        with upkeep_worker(environment, tmp_path / "upkeep.log") as worker:
            wait_until(lambda: gate.held >= ENDPOINTS, PATIENCE)
            empty(broker)
            worker.kill()
            worker.wait()
        jobs += happen(engine, JOBS - len(jobs))
        gate.open()
        assert end_leases_of_the_dead(engine) >= ENDPOINTS
        assert open_deliveries(engine) >= DELIVERIES - BEFORE
        with upkeep_worker(environment, tmp_path / "upkeep.log"):
            wait_until(lambda: open_deliveries(engine) < DELIVERIES - 2 * BEFORE, PATIENCE)
            empty(broker)
            wait_until(lambda: open_deliveries(engine) == 0, PATIENCE)
    check(engine, lab, endpoints, secret, jobs)
    times = Counter(request.id for request in lab.requests)
    assert len([count for count in times.values() if count > 1]) >= ENDPOINTS, "what was held came again"
