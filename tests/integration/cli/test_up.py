"""`genequeue up` as a person runs it, with tiny models: ready, supervised, stopped, killed, run twice."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from cli.machine.folder import DataFolder
from cli.machine.services import api_is_ready
from tests.support.machine import Machine, clean_environment, genequeue
from tests.support.models import tiny_catalog
from tests.support.processes import family, is_alive, wait_until

PROCESSES = {"postgres", "valkey", "generation", "upkeep", "api"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("models")
    tiny_catalog(directory)
    return directory


@pytest.fixture(scope="module")
def running(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with tiny_machine(models, tmp_path_factory.mktemp("machine") / "data") as machine:
        yield machine


def tiny_machine(models: Path, data_dir: Path, **environment: str) -> Machine:
    return Machine(data_dir, environment={"GENEQUEUE_MODELS_DIR": str(models), **environment})


def status_with(key: str, machine: Machine) -> int:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.get(f"{machine.url}/api/models", headers=headers, timeout=60).status_code


def refused(machine: Machine) -> str:
    """What a start that must fail prints; it ends with exit status 1."""
    child = machine.start_without_waiting().child
    wait_until(lambda: child.exit_code is not None, seconds=180)
    assert child.exit_code == 1
    assert "Traceback" not in machine.output
    return machine.output


def test_it_says_where_it_answers_and_shows_a_key_that_opens_it(running: Machine) -> None:
    assert f"{running.url} " in running.output
    assert status_with(running.key, running) == 200
    assert status_with("gq_guess", running) == 401


def test_every_process_has_a_log_of_its_own(running: Machine) -> None:
    assert set(running.processes) == PROCESSES
    assert {path.stem for path in (running.data_dir / "logs").glob("*.log")} == PROCESSES


def test_plain_lines_are_printed_where_nobody_looks(running: Machine) -> None:
    assert "\x1b" not in running.output


def test_a_key_that_is_made_beside_it_is_the_last_line_and_is_kept_as_a_digest(running: Machine) -> None:
    key = running.command("keys", "create", "--name", "notebook").splitlines()[-1]
    assert status_with(key, running) == 200
    with psycopg.connect(DataFolder(running.data_dir).read_state().database_url) as connection:
        rows = connection.execute("SELECT row_to_json(api_keys)::text FROM api_keys").fetchall()
    assert "notebook" in str(rows)
    assert key not in str(rows)


def test_a_revoked_key_is_listed_as_such_and_refused(running: Machine) -> None:
    key = running.command("keys", "create", "--name", "lost").splitlines()[-1]
    assert key[:9] in running.command("keys", "revoke", "lost")
    assert status_with(key, running) == 401
    listed = running.command("keys", "list")
    assert "lost" in listed
    assert key not in listed
    with pytest.raises(subprocess.CalledProcessError):
        running.command("keys", "revoke", "lost")


@pytest.mark.parametrize("process", sorted(PROCESSES))
def test_a_process_that_is_killed_comes_back(process: str, running: Machine) -> None:
    killed = running.kill(process)
    running.wait_for_new(process, killed)
    assert f"The {process} process stopped (killed by SIGKILL)" in running.output
    wait_until(lambda: api_is_ready(running.url))
    assert status_with(running.key, running) == 200


def test_a_second_one_on_the_same_folder_is_refused(models: Path, running: Machine) -> None:
    command = genequeue("up", "--data-dir", str(running.data_dir), "--port", "1")
    done = subprocess.run(command, env=clean_environment({}), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"(process {running.child.pid})" in done.stderr
    wait_until(lambda: api_is_ready(running.url))


def test_a_taken_port_is_a_sentence_with_the_remedy(models: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        machine = tiny_machine(models, tmp_path / "data")
        machine.port = server.getsockname()[1]
        said = refused(machine)
    assert f"Port {machine.port} on 127.0.0.1 is taken." in said
    assert "--port" in said
    assert not (tmp_path / "data" / "postgres").exists()


def test_a_checkpoint_with_a_changed_byte_is_refused_by_name(tmp_path: Path) -> None:
    tiny_catalog(tmp_path / "models")
    weights = tmp_path / "models" / "gem-1-sc" / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    said = refused(tiny_machine(tmp_path / "models", tmp_path / "data"))
    assert "gem-1-sc" in said
    assert "weights.safetensors" in said


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux tells a child that its parent died.")
def test_kill_9_of_the_command_leaves_no_orphan_and_the_next_start_carries_on(
    models: Path, tmp_path: Path
) -> None:
    machine = tiny_machine(models, tmp_path / "data").start()
    key, pids = machine.key, family(machine.child.pid)
    assert set(machine.processes.values()) <= pids
    machine.kill_all()
    with machine:
        assert "API key" not in machine.output
        assert status_with(key, machine) == 200
        wait_until(lambda: not any(map(is_alive, pids)))


def test_two_on_different_folders_do_not_meet_and_ctrl_c_ends_all_of_one(
    models: Path, running: Machine, tmp_path: Path
) -> None:
    with tiny_machine(models, tmp_path / "data") as other:
        assert status_with(other.key, other) == 200
        assert status_with(other.key, running) == 401
        assert status_with(running.key, other) == 401
        pids = family(other.child.pid)
        other.child.send(signal.SIGINT)
        other.child.end()
    assert other.child.exit_code == 0
    assert [pid for pid in pids if is_alive(pid)] == []
    assert not (tmp_path / "data" / "state.json").exists()
    wait_until(lambda: api_is_ready(running.url))


def test_servers_that_the_environment_names_are_used(
    models: Path, tmp_path: Path, empty_database_url: str, redis_url: str
) -> None:
    named = {"GENEQUEUE_DATABASE_URL": empty_database_url, "GENEQUEUE_REDIS_URL": redis_url}
    with tiny_machine(models, tmp_path / "data", **named) as machine:
        assert set(machine.processes) == PROCESSES - {"postgres", "valkey"}
        assert not (tmp_path / "data" / "postgres").exists()
        assert status_with(machine.key, machine) == 200


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("GENEQUEUE_DATABASE_URL", "mysql://x/y", "GENEQUEUE_DATABASE_URL names 'mysql'"),
        ("GENEQUEUE_DATABASE_URL", "postgresql://x@127.0.0.1:1/y", "Postgres does not answer"),
        ("GENEQUEUE_REDIS_URL", "redis://127.0.0.1:1/0", "GENEQUEUE_REDIS_URL names does not answer"),
        ("GENEQUEUE_REDIS_URL", "nonsense", "GENEQUEUE_REDIS_URL"),
    ],
)
def test_a_named_server_that_cannot_be_used_is_said(
    variable: str, value: str, said: str, models: Path, tmp_path: Path
) -> None:
    assert said in refused(tiny_machine(models, tmp_path / "data", **{variable: value}))
