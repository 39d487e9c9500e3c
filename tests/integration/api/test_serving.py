"""`python -m api`: it announces itself, and ends without an error for anyone who is being served."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from uuid import UUID

import psutil
import pytest

from cli.machine.announcement import VARIABLE, Announcement
from cli.machine.ports import LOCALHOST, listen
from shared.database.engines import sync_engine
from shared.storage.objects import open_storage
from tests.support import calls
from tests.support.api import (
    SECRET,
    Service,
    closing_engine,
    health,
    new_key,
    now,
    settings_for,
    wait_until_somebody_waits,
)
from tests.support.catalogs import unread_model
from tests.support.processes import wait_until

ROOT = Path(__file__).resolve().parents[3]


@dataclass
class Address:
    """A listening socket, and the API processes that accept from it."""

    listener: socket.socket
    environment: dict[str, str]
    log: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{LOCALHOST}:{self.listener.getsockname()[1]}"

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        """One more process; returns once it has said that it serves."""
        said, fd = Announcement(), str(self.listener.fileno())
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "api", "--fd", fd, *options],
                cwd=ROOT,
                env={**self.environment, VARIABLE: str(said.told)},
                pass_fds=(self.listener.fileno(), said.told),
                stderr=log,
            )
        self.processes.append(process)
        said.handed_over()
        wait_until(lambda: said.heard, calls.PATIENCE)
        return process


@pytest.fixture
def address(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Address]:
    unread_model(tmp_path / "models", genes=50, samples_per_chunk=40)
    environment = {
        **os.environ,
        "GENEQUEUE_DATABASE_URL": database_url,
        "GENEQUEUE_REDIS_URL": redis_url,
        "GENEQUEUE_STORAGE_URL": f"file://{tmp_path}/objects",
        "GENEQUEUE_MODELS_DIR": f"{tmp_path}/models",
        "GENEQUEUE_SECRET_KEY": SECRET,
    }
    with listen(LOCALHOST, 0) as listener:
        made = Address(listener, environment, tmp_path / "api.log")
        yield made
        for process in made.processes:
            process.kill()
            process.wait()


@pytest.fixture
def api(address: Address, tmp_path: Path, database_url: str, redis_url: str) -> Iterator[Service]:
    """Rows and files behind that address, and a key."""
    storage = f"file://{tmp_path}/objects"
    settings = settings_for(database_url=database_url, redis_url=redis_url, storage_url=storage)
    engine = sync_engine(database_url, pool_size=1)
    with closing_engine(engine):
        yield Service(address.url, settings, engine, open_storage(storage), new_key(engine, "default"))


@dataclass
class KeptConnection:
    """One connection that stays open from request to request."""

    http: http.client.HTTPConnection

    def get(self, path: str) -> http.client.HTTPResponse:
        self.http.request("GET", path)
        answer = self.http.getresponse()
        answer.read()
        return answer


@pytest.fixture
def kept(address: Address) -> Iterator[KeptConnection]:
    made = http.client.HTTPConnection(LOCALHOST, address.listener.getsockname()[1], timeout=calls.PATIENCE)
    yield KeptConnection(made)
    made.close()


def numbers_of(stream: str) -> list[int]:
    """The ids of the events in a stream that came whole."""
    return [int(line.removeprefix("id: ")) for line in stream.splitlines() if line.startswith("id: ")]


def follow(api: Service, job_id: UUID, seen: int, began: Callable[[], None] = lambda: None) -> str:
    """The stream of a query's events, from its beginning to its clean end."""
    headers = {
        "Authorization": f"Bearer {api.key}",
        "Last-Event-ID": str(seen),
        "Accept": "text/event-stream",
    }
    url = f"{api.url}/api/model-queries/{job_id}/events"
    received = ""
    with calls.stream("GET", url, headers=headers) as answer:
        for text in answer.iter_text():
            received += text
            began()
    return received


def test_an_event_stream_ends_cleanly_and_is_resumed_at_the_next_process_without_a_gap(
    address: Address, api: Service
) -> None:
    first = address.start()
    job_id, began = api.submit(3), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(follow, api, job_id, 0, began.set)
        assert began.wait(calls.PATIENCE)
        address.start()
        first.send_signal(signal.SIGTERM)
        seen = numbers_of(following.result(calls.PATIENCE))
        assert first.wait(calls.PATIENCE) == -signal.SIGTERM
        rest = pool.submit(follow, api, job_id, seen[-1] if seen else 0)
        api.completer.run_all()
        assert "query.ready" in rest.result(calls.PATIENCE)
    numbers = seen + numbers_of(rest.result())
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_long_poll_is_answered_at_once_with_the_state_as_it_is(address: Address, api: Service) -> None:
    process = address.start()
    job_id, since = api.submit(3), now(api.engine)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(api.get, f"/api/model-queries/{job_id}?wait=60")
        wait_until_somebody_waits(api.engine, since)
        assert not waiting.done()
        process.send_signal(signal.SIGTERM)
        answer = waiting.result(40)  # It is asked to wait longer than that.
    assert answer.status_code == 200
    assert answer.json()["status"] == "queued"
    assert answer.headers["connection"] == "close"


def test_a_submit_that_waits_is_told_that_it_was_accepted(address: Address, api: Service) -> None:
    process, since = address.start(), now(api.engine)
    with ThreadPoolExecutor(1) as pool:
        query = {"sampling_strategy": "mean estimation", "inputs": [{"metadata": {}, "num_samples": 1}]}
        waiting = pool.submit(api.predict, query, headers={"Prefer": "wait=60"})
        wait_until_somebody_waits(api.engine, since)
        assert not waiting.done()
        process.send_signal(signal.SIGTERM)
        answer = waiting.result(40)  # It is asked to wait longer than that.
    assert answer.status_code == 202
    assert answer.headers["location"].endswith(answer.json()["modelQueryId"])


def test_a_connection_that_is_kept_open_is_answered_and_told_that_it_closes(
    address: Address, kept: KeptConnection
) -> None:
    process = address.start()
    assert kept.get("/health/live").getheader("connection") is None
    process.send_signal(signal.SIGTERM)
    wait_until(lambda: not accepts(process))  # This connection is still open.
    answer = kept.get("/health/live")
    assert answer.status == 200
    assert answer.getheader("connection") == "close"
    assert process.wait(calls.PATIENCE) == -signal.SIGTERM


def accepts(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process takes connections."""
    connections = psutil.Process(process.pid).net_connections("tcp")
    return any(one.status == psutil.CONN_LISTEN for one in connections)


def test_while_it_gives_notice_it_says_that_it_is_not_ready_and_answers_all_the_same(
    address: Address,
) -> None:
    process = address.start("--notice", "12")
    assert health(address.url, "catalog", "database", "storage").status_code == 200
    process.send_signal(signal.SIGTERM)
    wait_until(lambda: "process" in health(address.url).json()["checks"], 10)
    answer = health(address.url, "database")
    body = answer.json()
    assert (answer.status_code, body["status"]) == (503, "not ready")
    assert "told to stop" in body["checks"]["process"]
    assert calls.get(f"{address.url}/health/live").status_code == 200
    assert process.wait(calls.PATIENCE) == -signal.SIGTERM


def test_connections_wait_while_no_process_is_there(address: Address) -> None:
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(calls.get, f"{address.url}/health/live", timeout=2 * calls.PATIENCE)
        time.sleep(0.2)
        assert not asking.done()
        address.start()
        assert asking.result(calls.PATIENCE).status_code == HTTPStatus.OK


def test_a_descriptor_that_is_no_socket_is_one_line_and_exit_status_1(address: Address) -> None:
    command = [sys.executable, "-m", "api", "--fd", "0"]
    done = subprocess.run(
        command, cwd=ROOT, env=address.environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert json.loads(line)["event"] == "api.cannot_start"
