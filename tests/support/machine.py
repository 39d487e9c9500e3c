"""A real `genequeue up` in a process of its own, for system tests: ready, with a key, killable in parts."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from cli.machine.folder import DataFolder
from cli.machine.ports import free_ports
from cli.machine.process import Child, Program, wait_until_ready
from tests.support.commands import run_command

ROOT = Path(__file__).resolve().parents[2]
_PATIENCE = timedelta(minutes=3)
_KEY = re.compile(r"gq_[\w-]+")


class Machine:
    """`genequeue up` on `data_dir`. `start` returns when it is ready; `with` starts and stops it."""

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        environment: Mapping[str, str] | None = None,
        options: tuple[str, ...] = (),
    ) -> None:
        self._options = options
        self.data_dir = data_dir
        self.port = port or free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = clean_environment(environment or {})
        self._key: str | None = None
        self._child: Child | None = None

    def start(self) -> Machine:
        """Run it until it is ready. Raises SetupError, with what it said, if it does not get there."""
        self.start_without_waiting()
        wait_until_ready(self.child, lambda: "Ctrl-C stops it." in self.output, _PATIENCE)
        return self

    def start_without_waiting(self) -> Machine:
        """Run it; its output begins anew."""
        log = self.data_dir.with_name(f"{self.data_dir.name}-up.log")
        log.unlink(missing_ok=True)
        command = genequeue("up", "--data-dir", str(self.data_dir), "--port", str(self.port), *self._options)
        self._child = Child(
            Program("up", command, log, self._environment, orphan_signal=signal.SIGTERM, patience=_PATIENCE)
        )
        return self

    @property
    def child(self) -> Child:
        """The process of `genequeue up` itself."""
        assert self._child is not None, "The machine was not started."
        return self._child

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self.child.program.log.read_text()

    @property
    def key(self) -> str:
        """An API key: the one of the first start, or a new one."""
        if self._key is None:
            shown = _KEY.search(self.output)
            self._key = (
                shown.group() if shown else self.command("keys", "create", "--name", "test").split()[-1]
            )
        return self._key

    @property
    def processes(self) -> dict[str, int]:
        """The ids of its processes: postgres, valkey, generation, upkeep, api."""
        return dict(DataFolder(self.data_dir).read_state().processes)

    def log(self, process: str) -> str:
        """The log of one of its processes."""
        return DataFolder(self.data_dir).log(process).read_text()

    def lines(self, process: str) -> list[dict[str, Any]]:
        """What one of its processes has said in JSON; not the line that it is writing just now."""
        whole = (line for line in self.log(process).splitlines(keepends=True) if line.endswith("\n"))
        return [json.loads(line) for line in whole if line.startswith("{")]

    def command(self, *arguments: str) -> str:
        """What `genequeue ... --data-dir <this one>` prints. Raises CalledProcessError."""
        return _said(self._environment, *arguments, "--data-dir", str(self.data_dir))

    def talk(self, *arguments: str) -> str:
        """What `genequeue ...` prints for somebody who has its URL and a key. Raises CalledProcessError."""
        told = {**self._environment, "GENEQUEUE_URL": self.url, "GENEQUEUE_API_KEY": self.key}
        return _said(told, *arguments)

    def kill(self, process: str, with_signal: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal to one of its processes; returns the id that it had."""
        pid = self.processes[process]
        os.kill(pid, with_signal)
        return pid

    def wait_for_new(self, process: str, old: int, timeout: timedelta = timedelta(seconds=90)) -> int:
        """Wait until the supervisor has started a process anew; returns its id."""
        deadline = time.monotonic() + timeout.total_seconds()
        while (pid := self.processes[process]) == old:
            assert time.monotonic() < deadline, f"{process} was not started again within {timeout}"
            time.sleep(0.05)
        return pid

    def kill_all(self) -> None:
        """Kill -9 the command itself; its processes end by themselves."""
        self.child.send(signal.SIGKILL)
        self.child.end()

    def stop(self) -> None:
        """Stop it with SIGTERM and wait; fails unless it ends in good order."""
        self.child.stop()
        assert self.child.exit_code == 0, self.output

    def __enter__(self) -> Machine:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.child.exit_code is None:
            self.child.stop()


@contextmanager
def running_machine(data_dir: Path, **options: str) -> Iterator[Machine]:
    """A machine on `data_dir`, ready; `options` are further environment variables."""
    with Machine(data_dir, environment=options) as machine:
        yield machine


def genequeue(*arguments: str) -> tuple[str, ...]:
    """The command as an argument list."""
    return (sys.executable, "-m", "cli.main", *arguments)


def _said(environment: Mapping[str, str], *arguments: str) -> str:
    ran = run_command(environment, *arguments)
    ran.check_returncode()
    return ran.stdout


def clean_environment(more: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without what names servers, and with `more`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GENEQUEUE_", "AWS_"))}
    return {**kept, "PYTHONPATH": str(ROOT), **more}
