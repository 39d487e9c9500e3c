"""Signals, to a real process on a real terminal: what is a wish for a restart, and what for the end."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.processes import wait_until

SCRIPT = """
import fcntl, signal, sys, termios
from pathlib import Path
from cli.machine.interrupts import Interrupts, StopRequested
journal = Path(sys.argv[1])
if sys.argv[2] != "none":
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
# Whoever runs the tests may run them under nohup.
signal.signal(signal.SIGHUP, signal.SIG_IGN if sys.argv[2] == "nohup" else signal.SIG_DFL)
said = ["up"]
with Interrupts() as interrupts:
    try:
        while True:
            journal.write_text(" ".join(said))
            interrupts.pause(0.02)
            if interrupts.restart_requested():
                said.append("restart")
    except StopRequested:
        journal.write_text(" ".join([*said, "stop"]))
"""


class Listening:
    """A process that writes down what it is asked for, and its terminal."""

    def __init__(self, journal: Path, terminal: str) -> None:
        self._journal = journal
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(journal), terminal], stdin=theirs, start_new_session=True
        )
        os.close(theirs)
        self.wait_for("up")

    @property
    def said(self) -> str:
        return self._journal.read_text() if self._journal.exists() else ""

    def wait_for(self, said: str) -> None:
        wait_until(lambda: self.said == said)

    def hang_up(self) -> None:
        """As the kernel does where the window is closed."""
        os.close(self._ours)
        self._ours = -1

    def end(self) -> None:
        if self._ours >= 0:
            os.close(self._ours)
        self.process.kill()
        self.process.wait()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Listening]]:
    started: list[Listening] = []

    def begin(terminal: str) -> Listening:
        started.append(Listening(tmp_path / "journal", terminal))
        return started[-1]

    yield begin
    for one in started:
        one.end()


@pytest.mark.parametrize("terminal", ["none", "terminal"])
def test_sighup_asks_for_a_restart_and_sigterm_for_the_end(
    start: Callable[[str], Listening], terminal: str
) -> None:
    listening = start(terminal)
    listening.process.send_signal(signal.SIGHUP)
    listening.wait_for("up restart")
    listening.process.send_signal(signal.SIGTERM)
    listening.wait_for("up restart stop")


def test_a_terminal_that_is_closed_asks_for_the_end(start: Callable[[str], Listening]) -> None:
    listening = start("terminal")
    listening.hang_up()
    listening.wait_for("up stop")


def test_under_nohup_it_goes_on_without_its_terminal_and_can_be_restarted(
    start: Callable[[str], Listening],
) -> None:
    listening = start("nohup")
    listening.hang_up()

    def restarted() -> bool:
        """Two signals that come at once are one, so it is sent until it is heard beside the kernel's."""
        listening.process.send_signal(signal.SIGHUP)
        return listening.said.startswith("up restart")

    wait_until(restarted)
    assert "stop" not in listening.said
