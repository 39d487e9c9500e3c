"""Child processes: starting one with its own log, waiting until it is ready, stopping it for certain.

Knows nothing of what the children do. On Linux no child outlives the process that started it.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from signal import Signals

from cli.machine.account import OURSELVES, Account
from cli.machine.announcement import VARIABLE, Announcement
from shared.errors import SetupError

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_LARGEST_LOG = 32 << 20
_POLL = 0.02
_CLASS_NAME = re.compile(r"^shared\.errors\.\w+: ")

Pause = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Program:
    """What to run, as whom, and how it is asked to stop.

    `environment` is the whole environment of the child. `orphan_signal` is what the kernel sends it
    when its parent dies. `inherited` are descriptors that it finds open, under the same numbers. It
    `announces` itself if it writes to the descriptor that GENEQUEUE_READY_FD names once it is ready.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = field(repr=False)
    account: Account = OURSELVES
    stop_signal: Signals = signal.SIGTERM
    orphan_signal: Signals = signal.SIGKILL
    patience: timedelta = timedelta(seconds=10)
    inherited: tuple[int, ...] = ()
    announces: bool = False


class Child:
    """One run of a program."""

    def __init__(self, program: Program) -> None:
        """Start it. Call from the main thread: the kernel sends `orphan_signal` when the *thread* ends."""
        self.program = program
        self.started = time.monotonic()
        _make_room(program.log)
        self._log_began = program.log.stat().st_size if program.log.exists() else 0
        self._announcement = Announcement() if program.announces else None
        self._asked: float | None = None
        try:
            self._process = _spawn(program, self._announcement)
        except OSError as error:
            self._hang_up()
            raise SetupError(f"The {program.name} process cannot be started: {error}.") from error

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it lives; negative is the number of the signal that ended it."""
        return self._process.poll()

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        code = self.exit_code
        return f"killed by {Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"

    @property
    def age(self) -> timedelta:
        """How long ago it was started."""
        return timedelta(seconds=time.monotonic() - self.started)

    @property
    def announced(self) -> bool:
        """Whether it lives and has said that it is ready."""
        return self.exit_code is None and self._announcement is not None and self._announcement.heard

    @property
    def overdue(self) -> bool:
        """Whether it was asked to stop longer ago than the program's patience, and lives."""
        late = self._asked is not None and time.monotonic() - self._asked > self._patience
        return late and self.exit_code is None

    def ask_to_stop(self) -> None:
        """Send the stop signal; the child may take its time."""
        self._asked = self._asked or time.monotonic()
        self.send(self.program.stop_signal)

    def send(self, number: Signals) -> None:
        """Send any signal; one that has ended gets none."""
        if self.exit_code is None:
            self._process.send_signal(number)

    def end(self) -> None:
        """Wait until its patience, counted since it was asked, is over; then kill it and what it started."""
        began = self._asked or time.monotonic()
        try:
            self._process.wait(max(0, began + self._patience - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.kill()
        self._hang_up()

    def kill(self) -> None:
        """Kill it and whatever it started, at once."""
        os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self._hang_up()

    def stop(self) -> None:
        """Ask, wait, and kill if need be."""
        self.ask_to_stop()
        self.end()

    @property
    def _patience(self) -> float:
        return self.program.patience.total_seconds()

    def _hang_up(self) -> None:
        if self._announcement:
            self._announcement.close()

    def died(self) -> SetupError:
        """The error that says how it ended, with what its log says last."""
        with self.program.log.open("rb") as log:
            log.seek(self._log_began)
            said = last_words(log.read().decode(errors="replace"))
        return SetupError(
            f"The {self.program.name} process stopped while starting ({self.ending})"
            f"{': ' + said.rstrip('.') if said else ''}. Its log is {self.program.log}."
        )


def wait_until_ready(
    child: Child, ready: Callable[[], bool], timeout: timedelta, pause: Pause = time.sleep
) -> None:
    """Poll until `ready()`. Raises SetupError if the child ends first or the time is over."""
    deadline = time.monotonic() + timeout.total_seconds()
    while not ready():
        if child.exit_code is not None:
            raise child.died()
        if time.monotonic() > deadline:
            raise SetupError(
                f"The {child.program.name} process was not ready within {timeout.total_seconds():.0f} s. "
                f"Its log is {child.program.log}."
            )
        pause(_POLL)


def last_words(log: str) -> str:
    """What a log says last about a failure: the error of one of our JSON lines, else its last line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    for line in reversed(lines):
        if error := _error_of(line):
            return error
    return lines[-1] if lines else ""


def _error_of(line: str) -> str | None:
    """The error that a line of structured log tells, without the name of its class."""
    try:
        fields = json.loads(line)
    except ValueError:
        return None
    if not isinstance(fields, dict):
        return None
    told = str(fields.get("error") or fields.get("exception") or "").strip()
    return _CLASS_NAME.sub("", told.splitlines()[-1]) if told else None


def _spawn(program: Program, announcement: Announcement | None) -> subprocess.Popen[bytes]:
    inherited, environment = program.inherited, dict(program.environment)
    if announcement:
        inherited, environment[VARIABLE] = (*inherited, announcement.told), str(announcement.told)
    with program.log.open("ab") as log:
        process = subprocess.Popen(
            (*program.account.prefix, *program.command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            pass_fds=inherited,
            user=program.account.uid,
            group=program.account.gid,
            extra_groups=None if program.account.uid is None else [],
            # Its own session: Ctrl-C reaches us alone, and we decide on the order.
            start_new_session=True,
            preexec_fn=_tie_to_parent(program.orphan_signal),
        )
    if announcement:
        announcement.handed_over()
    return process


def _make_room(log: Path) -> None:
    if log.exists() and log.stat().st_size > _LARGEST_LOG:
        log.replace(log.with_suffix(".log.1"))


def _tie_to_parent(orphan_signal: Signals) -> Callable[[], None] | None:
    if _LIBC is None:
        return None
    libc, parent = _LIBC, os.getpid()

    def tie() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(orphan_signal), 0, 0, 0)
        if os.getppid() != parent:  # The parent died before the call.
            os._exit(1)

    return tie
