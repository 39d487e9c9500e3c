"""A rolling restart: programs begin anew with the code that lies there now, one after another.

Knows how a run is replaced, not which programs there are.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from cli.machine.process import Child
from cli.machine.supervisor import Supervisor
from shared.errors import SetupError

_PATIENCE = timedelta(minutes=2)

Ready = Callable[[Child], bool]


@dataclass(frozen=True, slots=True)
class Rolling:
    """`tick` tends the supervised and takes a moment; what it raises ends the restart where it is."""

    supervisor: Supervisor
    tick: Callable[[], None]
    say: Callable[[str], None]

    def replace(self, name: str, ready: Ready) -> None:
        """Start a successor, and once it is ready, ask the present run to stop; returns when that has ended.

        Raises SetupError if the successor does not get there; the present run then goes on as if nothing was.
        """
        successor = self.supervisor.succeed(name)
        try:
            self._wait(successor, ready)
        except SetupError:
            self.supervisor.abandon(name)
            raise
        former = self.supervisor.hand_over(name)
        self.say(f"{name}: process {successor.pid} is ready; {former.pid} answers what it has begun and ends")
        while former.exit_code is None:
            self.tick()

    def renew(self, name: str, ready: Ready) -> None:
        """Let the present run finish what it has in hand, then start the next; returns when that is ready.

        For what cannot run twice at a time: a second copy of the models may not fit on the device.
        Raises SetupError; the supervisor goes on trying to start it.
        """
        former = self.supervisor.child(name)
        self.say(f"{name}: process {former.pid} finishes its work in hand and ends")
        self.supervisor.renew(name)
        while self.supervisor.child(name) is former:
            self.tick()
        successor = self.supervisor.child(name)
        self._wait(successor, ready)
        self.say(f"{name}: process {successor.pid} is ready")

    def _wait(self, child: Child, ready: Ready) -> None:
        deadline = time.monotonic() + _PATIENCE.total_seconds()
        while not ready(child):
            if child.exit_code is not None:
                raise child.died()
            if time.monotonic() > deadline:
                raise SetupError(
                    f"The new {child.program.name} process was not ready within "
                    f"{_PATIENCE.total_seconds():.0f} s. Its log is {child.program.log}."
                )
            self.tick()
