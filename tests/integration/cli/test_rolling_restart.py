"""`genequeue restart` on a real `genequeue up`: every process of ours is another, and no caller noticed."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from cli.machine.ports import LOCALHOST
from tests.support.catalogs import LIVER
from tests.support.machine import Machine, clean_environment, genequeue
from tests.support.models import tiny_catalog
from tests.support.processes import is_alive, wait_until
from tests.support.stalls import time_that_was_lost

OURS = ("generation", "upkeep")
SERVERS = ("postgres", "valkey")
# As the public client does, a connection for each question; and as browsers do, one for all.
CLIENTS, KEEPERS = 180, 20
POLL_SECONDS = 3
# Of 40 clients, those who may be waiting for the answer of a process in the moment of its death.
MOST_CUT = 5


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("models")
    tiny_catalog(directory)
    return directory


@pytest.fixture(scope="module")
def two(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with two API processes."""
    environment = {"GENEQUEUE_MODELS_DIR": str(models)}
    data = tmp_path_factory.mktemp("two") / "data"
    with Machine(data, environment=environment, options=("--api-processes", "2")) as machine:
        yield machine


@pytest.fixture(scope="module")
def one(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine as it is without an option: one API process."""
    data = tmp_path_factory.mktemp("one") / "data"
    with Machine(data, environment={"GENEQUEUE_MODELS_DIR": str(models)}) as machine:
        yield machine


def headers_of(machine: Machine) -> dict[str, str]:
    return {"Authorization": f"Bearer {machine.key}"}


def submitted(machine: Machine) -> str:
    """The status route of a new query."""
    query = {
        "sampling_strategy": "mean estimation",
        "inputs": [{"metadata": {"tissue_ontology_id": LIVER}, "num_samples": 1}],
    }
    url = f"{machine.url}/api/models/gem-1-bulk/predict"
    answer = requests.post(url, json=query, headers=headers_of(machine), timeout=60)
    return f"{machine.url}/api/model-queries/{answer.json()['modelQueryId']}/status"


def ends_ready(status: str, machine: Machine) -> None:
    def ready() -> bool:
        body = requests.get(status, headers=headers_of(machine), timeout=60).json()
        return bool(body["status"] == "ready")

    wait_until(ready)


@dataclass(frozen=True, slots=True)
class Met:
    """When somebody asked, on the monotonic clock, and what they met: a status, or an error."""

    asked: float
    what: str


class Poller:
    """Asks for one status again and again, never twice for the same answer, and tells what it met."""

    def __init__(self, machine: Machine, path: str, *, keeps: bool) -> None:
        self._port, self._path, self._headers = machine.port, path, headers_of(machine)
        self._keeps = keeps
        self._connection = self._new_connection()

    def poll(self, first_after: float, over: threading.Event, met: list[Met]) -> None:
        """Until it is over."""
        pause = first_after
        while not over.wait(pause):
            asked = time.monotonic()
            met.append(Met(asked, self._ask()))
            pause = POLL_SECONDS
        self._connection.close()

    def _ask(self) -> str:
        try:
            self._connection.request("GET", self._path, headers=self._headers)
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, HTTPException) as error:
            self._renew()
            return repr(error)
        if answer.will_close or not self._keeps:
            self._renew()
        return str(answer.status)

    def _renew(self) -> None:
        self._connection.close()
        self._connection = self._new_connection()

    def _new_connection(self) -> HTTPConnection:
        return HTTPConnection(LOCALHOST, self._port, timeout=60)


@contextmanager
def polled(machine: Machine, clients: int, keepers: int = 0) -> Iterator[list[Met]]:
    """Clients poll during the block, and tell what they meet."""
    path, over = urlsplit(submitted(machine)).path, threading.Event()
    pollers = [Poller(machine, path, keeps=number < keepers) for number in range(clients + keepers)]
    met: list[Met] = []
    with ThreadPoolExecutor(len(pollers)) as pool:
        polling = [
            pool.submit(poller.poll, POLL_SECONDS * number / len(pollers), over, met)
            for number, poller in enumerate(pollers)
        ]
        try:
            yield met
        finally:
            over.set()
    for one in polling:
        one.result()


def ask_on(met: list[Met], answers: int) -> None:
    """Wait for so many answers more."""
    enough = len(met) + answers
    wait_until(lambda: len(met) >= enough)


def counted(met: list[Met]) -> Counter[str]:
    return Counter(each.what for each in met)


def test_200_clients_poll_through_a_restart_of_everything_without_an_error(two: Machine) -> None:
    before = two.processes
    assert set(before) == {*SERVERS, *OURS, "api-1", "api-2"}
    with polled(two, CLIENTS, KEEPERS) as met:
        ask_on(met, CLIENTS + KEEPERS)
        os.kill(two.child.pid, signal.SIGHUP)
        wait_until(lambda: "Restarted in" in two.output, seconds=300)
        ask_on(met, CLIENTS + KEEPERS)
    assert counted(met).keys() == {"200"}, counted(met)
    after = two.processes
    assert {name for name in after if after[name] != before[name]} == {*OURS, "api-1", "api-2"}
    ends_ready(submitted(two), two)


def test_the_console_says_what_happens_in_order(two: Machine) -> None:
    said = two.output[two.output.index("Restart:") :]
    steps = ["api-1: process", "api-2: process", "generation: process", "upkeep: process", "Restarted in"]
    assert [said.index(step) for step in steps] == sorted(said.index(step) for step in steps)


def test_code_that_does_not_start_is_refused_and_the_old_goes_on(two: Machine, models: Path) -> None:
    before, weights = two.processes, models / "gem-1-sc" / "weights.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    try:
        with pytest.raises(subprocess.CalledProcessError) as failed:
            two.command("restart")
    finally:
        weights.write_bytes(whole)
    assert failed.value.returncode == 1
    assert "The restart was given up: " in failed.value.stderr
    assert str(weights) in failed.value.stderr
    assert "Traceback" not in failed.value.stderr
    assert two.processes == before
    ends_ready(submitted(two), two)


def test_kill_9_of_an_api_process_refuses_no_connection(two: Machine) -> None:
    """What it had in hand may be cut; the rest is answered, by the other or by its successor."""
    with time_that_was_lost() as lost, polled(two, 40) as met:
        ask_on(met, 40)
        calm = len(met)
        killed = two.kill("api-2")
        wait_until(lambda: not is_alive(killed))
        dead_since = time.monotonic()
        two.wait_for_new("api-2", killed)
        ask_on(met, 40)
    assert counted(met[:calm]).keys() == {"200"}, counted(met)
    assert counted([each for each in met if each.asked > dead_since]).keys() == {"200"}, counted(met)
    cut = [each.what for each in met if each.what != "200"]
    assert [what for what in cut if what.isdigit() or "refused" in what] == []
    # Those whose turn came while the machine stood still ask all at once.
    assert len(cut) <= MOST_CUT + 40 * max(lost) / POLL_SECONDS, cut


def test_one_api_process_is_replaced_without_a_refused_connection(one: Machine) -> None:
    before = one.processes
    with polled(one, 30, 5) as met:
        ask_on(met, 35)
        said = one.command("restart")
        ask_on(met, 35)
    assert counted(met).keys() == {"200"}, counted(met)
    after = one.processes
    assert {name for name in after if after[name] != before[name]} == {*OURS, "api"}
    assert all(f"{name}: process {before[name]} -> {after[name]}" in said for name in (*OURS, "api"))


def test_kill_9_of_the_only_api_process_refuses_no_connection(one: Machine) -> None:
    killed = one.kill("api")
    answer = requests.get(f"{one.url}/health/live", timeout=120)
    assert answer.status_code == 200
    assert one.wait_for_new("api", killed) != killed


def test_there_must_be_a_run_to_restart(tmp_path: Path) -> None:
    command = genequeue("restart", "--data-dir", str(tmp_path))
    done = subprocess.run(command, env=clean_environment({}), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "does not run on" in done.stderr
    assert "Traceback" not in done.stderr
