"""Holds the process that makes artifacts: starts it when it is first needed, hears of it, and ends it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from worker.artifacts.child import Place, Progress
from worker.artifacts.order import Order, Outcome

_DIED = "The process that made it ended with status {}: it may have needed more memory than there is."


@dataclass(slots=True)
class Bench:
    """One process, which stays warm between two orders; one order at a time."""

    place: Place
    _child: subprocess.Popen[bytes] | None = None
    _pipe: Connection | None = None

    def order(self, order: Order) -> None:
        """Have it made; a process is started where there is none."""
        if self._child is None or self._child.poll() is not None:
            self.end()
            self._start()
        assert self._pipe is not None
        with suppress(BrokenPipeError):  # it died since: whoever listens hears of it
            self._pipe.send(order)

    def hear(self, patience: timedelta) -> Progress | Outcome | None:
        """What it says next, for so long; the newest progress where it said more. Blocks: for a thread."""
        pipe = self._pipe  # it may be ended while we wait
        assert pipe is not None
        said: Progress | Outcome | None = None
        try:
            while pipe.poll(0 if said else patience.total_seconds()):
                said = pipe.recv()
                if isinstance(said, Outcome):
                    break
        except (EOFError, OSError):
            return Outcome(error=_DIED.format(self.end()), again=True)
        return said

    def end(self) -> int | None:
        """Kill the process, whatever it does; returns the status with which it ended."""
        child, pipe, self._child, self._pipe = self._child, self._pipe, None, None
        if pipe is not None:
            pipe.close()
        if child is None:
            return None
        child.kill()
        return child.wait()

    def _start(self) -> None:
        """A program of its own, not one of `multiprocessing`, which loads all that its parent began with."""
        self._pipe, theirs = Pipe()
        with theirs:  # closed here, so that its end is heard of
            end = theirs.fileno()
            command = [sys.executable, "-m", "worker.artifacts", str(end)]
            self._child = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[end])
        with suppress(BrokenPipeError):
            self._pipe.send(self.place)
