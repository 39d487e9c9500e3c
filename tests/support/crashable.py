"""A Postgres of a test's own: killed, started again, frozen, thawed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from cli.machine.postgres import Postgres, open_postgres
from cli.machine.process import Child, wait_until_ready
from shared.database.migrate import upgrade
from shared.errors import SetupError


class CrashablePostgres:
    """A server with the newest schema. What it committed before a crash is there after it."""

    def __init__(self, server: Postgres) -> None:
        self._server, self._child = server, self._started(server)
        upgrade(server.url())

    @property
    def url(self) -> str:
        """Its one database."""
        return self._server.url()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.port

    def crash(self) -> None:
        """Kill -9 of all its processes."""
        killed = self._signal(signal.SIGKILL)
        self._child.end()
        psutil.wait_procs(killed, timeout=60)  # One that is left would hold the memory of the next server.

    def restart(self) -> None:
        """Start it after a crash; returns when it answers."""
        self._server.wait_for_last_owner()
        self._child = self._started(self._server)

    def kill_a_backend(self) -> None:
        """Kill -9 of one process that serves somebody: the server ends all others and starts over."""
        backends = self._family()[1:]
        serving = [process for process in backends if "idle" in _title(process)]
        for process in reversed([*backends, *serving]):
            with suppress(psutil.NoSuchProcess):
                process.kill()
                return

    def freeze(self) -> None:
        """Stop every process of it where it is; its sockets stay open."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it."""
        self.thaw()
        self._child.stop()

    def _signal(self, number: signal.Signals) -> list[psutil.Process]:
        """To all of them; the server itself is stopped first, so that it starts nothing meanwhile."""
        if self._child.exit_code is None:
            self._child.send(signal.SIGSTOP)
        family = self._family()
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        return family

    def _family(self) -> list[psutil.Process]:
        try:
            server = psutil.Process(self._child.pid)
            return [server, *server.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    @staticmethod
    def _started(server: Postgres) -> Child:
        child = Child(server.program(server.folder.parent / "postgres.log"))
        try:
            wait_until_ready(child, server.ready, timedelta(minutes=2))
        except SetupError:
            child.stop()
            raise
        return child


def _title(process: psutil.Process) -> str:
    """What a process of Postgres says that it does; nothing of one that has ended."""
    with suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline())
    return ""


@contextmanager
def crashable_postgres() -> Iterator[CrashablePostgres]:
    """One in a temporary folder, stopped at the end."""
    with TemporaryDirectory(prefix="genequeue-tests-") as folder:
        Path(folder).chmod(0o711)  # Where we are root, Postgres is another user.
        running = CrashablePostgres(open_postgres(Path(folder) / "postgres"))
        try:
            yield running
        finally:
            running.stop()
