"""The doctor on a real machine: content with a healthy one, and telling what is wrong with a sick one."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from cli.machine.folder import DataFolder
from cli.machine.ports import LOCALHOST, free_ports, is_free
from tests.support.machine import Machine, clean_environment, genequeue, running_machine
from tests.support.processes import wait_until

SUBJECTS = {
    *("versions", "torch", "processes", "postgres", "migrations", "valkey", "storage"),
    *("disk", "clock", "api", "workers", "upkeep", "queue", "leases", "jobs", "webhooks"),
}


# A storage that does not answer would hold the command up for minutes.
HANGS_SECONDS = 90

Found = dict[str, list[dict[str, Any]]]


def examine(data_dir: Path, *options: str, environment: Mapping[str, str] | None = None) -> tuple[int, Found]:
    """The exit status, and the findings by subject. Raises RuntimeError if it told none."""
    command = (*genequeue("doctor"), "--data-dir", str(data_dir), "--json", *options)
    known = clean_environment(environment or {})
    ran = subprocess.run(command, capture_output=True, text=True, env=known, timeout=HANGS_SECONDS)
    if not ran.stdout:
        raise RuntimeError(ran.stderr)
    found: Found = {}
    for finding in json.loads(ran.stdout)["findings"]:
        found.setdefault(finding["subject"], []).append(finding)
    return ran.returncode, found


def wrong(found: Found) -> set[str]:
    return {name for name, findings in found.items() for one in findings if one["verdict"] == "wrong"}


def examine_until(
    as_expected: Callable[[Found], bool],
    data_dir: Path,
    *options: str,
    environment: Mapping[str, str] | None = None,
) -> tuple[int, Found]:
    """The first examination that finds this, within two minutes.

    Whatever did not answer for a moment is found to be wrong in that moment, and rightly.
    """
    seen: list[tuple[int, Found]] = []

    def found_it() -> bool:
        seen.append(examine(data_dir, *options, environment=environment))
        return as_expected(seen[-1][1])

    try:
        wait_until(found_it, 120)
    except AssertionError:
        raise AssertionError(f"The last that was found: {seen[-1]}") from None
    return seen[-1]


def test_a_healthy_machine_is_healthy_in_every_respect(machine: Machine) -> None:
    status, found = examine_until(lambda found: not wrong(found), machine.data_dir, "--deep")
    assert status == 0, found
    assert found.keys() >= SUBJECTS | {"objects"}
    assert "gem-1-bulk 2" in found["workers"][0]["found"]


def servers_of(machine: Machine) -> dict[str, str]:
    """The environment of somebody who runs the same servers without `genequeue up`."""
    run = DataFolder(machine.data_dir).read_state()
    return {
        "GENEQUEUE_DATABASE_URL": run.database_url,
        "GENEQUEUE_REDIS_URL": run.redis_url,
        "GENEQUEUE_STORAGE_URL": run.storage_url,
        "GENEQUEUE_URL": machine.url,
    }


def test_servers_that_the_environment_names_are_examined_too(machine: Machine, tmp_path: Path) -> None:
    status, found = examine_until(lambda found: not wrong(found), tmp_path, environment=servers_of(machine))
    assert status == 0, found
    assert found.keys() == SUBJECTS - {"processes"}


def test_a_storage_that_hangs_does_not_hold_it_up_for_minutes_and_hides_nothing_else(
    machine: Machine, tmp_path: Path
) -> None:
    with socket.create_server((LOCALHOST, 0)) as silent:
        place = f"s3://bucket?endpoint=http://{LOCALHOST}:{silent.getsockname()[1]}"
        keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
        environment = {**servers_of(machine), **keys, "GENEQUEUE_STORAGE_URL": place}
        status, found = examine_until(
            lambda found: wrong(found) == {"storage"}, tmp_path, environment=environment
        )
    assert status == 1
    assert "hangs" in found["storage"][0]["found"]


def test_an_object_that_was_deleted_by_hand_is_missed_by_a_deep_look(machine: Machine) -> None:
    query = {"sampling_strategy": "mean estimation", "inputs": [{"metadata": {}, "num_samples": 1}]}
    file = machine.data_dir.parent / f"{uuid4().hex}.json"
    file.write_text(json.dumps(query))
    address = ("--url", machine.url, "--key", machine.key)
    command = genequeue("submit", str(file), "--model", "gem-1-bulk", "--wait", *address)
    ran = subprocess.run(command, capture_output=True, text=True, env=clean_environment({}), check=True)
    job = ran.stdout.split()[0]
    (part,) = (machine.data_dir / "objects" / "results" / job).glob("part-*")
    kept = part.read_bytes()
    part.unlink()
    try:
        status, found = examine_until(lambda found: wrong(found) == {"objects"}, machine.data_dir, "--deep")
        assert status == 1
        assert job in found["objects"][0]["found"]
    finally:
        part.write_bytes(kept)


@pytest.mark.timeout(1500)
def test_what_is_stopped_or_missing_is_named_with_a_remedy(tmp_path: Path) -> None:
    port = next(port for port in free_ports(20) if is_free(LOCALHOST, port + 1))
    with running_machine(tmp_path / "data", GENEQUEUE_METRICS_PORT=str(port)) as machine:
        data_dir = machine.data_dir
        for worker in (port, port + 1):
            wait_until(lambda worker=worker: shows_figures(worker))
        machine.kill("generation", signal.SIGSTOP)
        status, found = examine_until(lambda found: wrong(found) == {"processes", "workers"}, data_dir)
        assert status == 1
        assert "No generation worker is alive" in str(found["workers"])
        assert "generation.log" in str(found["processes"])

        machine.kill("generation", signal.SIGCONT)
        machine.kill("valkey", signal.SIGSTOP)
        # What is well is still told.
        examine_until(
            lambda found: "valkey" in wrong(found) and found["postgres"][0]["verdict"] == "ok", data_dir
        )
        machine.kill("valkey", signal.SIGCONT)
        wait_until(lambda: examine(data_dir)[0] == 0, seconds=120)
        machine.kill_all()
    # Postgres ends in good order when its parent dies, which takes a moment.
    status, found = examine_until(
        lambda found: {"processes", "api", "postgres", "valkey"} <= wrong(found), data_dir
    )
    assert status == 1
    assert found["jobs"][0]["verdict"] == "unknown"
    assert "Start it again" in found["processes"][0]["remedy"]


def shows_figures(port: int) -> bool:
    try:
        told = httpx.get(f"http://{LOCALHOST}:{port}/metrics", timeout=30).text
    except httpx.ConnectError:
        return False  # The worker is starting.
    return "process_resident_memory_bytes" in told


def test_where_nothing_runs_it_says_so_in_one_sentence(tmp_path: Path) -> None:
    command = (*genequeue("doctor"), "--data-dir", str(tmp_path))
    ran = subprocess.run(command, capture_output=True, text=True, env=clean_environment({}), timeout=120)
    assert ran.returncode == 1
    assert "GeneQueue does not run on" in ran.stderr
    assert "Traceback" not in ran.stderr
