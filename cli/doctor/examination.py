"""Every examination at once, each in a thread of its own: what hangs costs seconds, what fails says so."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta

from cli.doctor.finding import Finding, unknown, wrong
from shared.errors import Unavailable

PATIENCE = timedelta(seconds=9)

Examine = Callable[[], Iterable[Finding]]


def examine_all(examinations: Mapping[str, Examine], patience: timedelta = PATIENCE) -> list[Finding]:
    """What each found, in the order given; those that are not done when the time is over are left behind."""
    deadline = time.monotonic() + patience.total_seconds()
    threads = [_Examination(name, examine) for name, examine in examinations.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=max(0.0, deadline - time.monotonic()))
    return [finding for thread in threads for finding in thread.findings(patience)]


class _Examination(threading.Thread):
    """One examination; a daemon, so that a server that hangs does not keep the command."""

    def __init__(self, subject: str, examine: Examine) -> None:
        super().__init__(name=subject, daemon=True)
        self._subject, self._examine = subject, examine
        self._found: list[Finding] = []

    def run(self) -> None:
        try:
            self._found = list(self._examine())
        except Unavailable:
            found = "Not examined: a server that it needs does not answer."
            self._found = [unknown(self._subject, found, "Put that server right first.")]
        except Exception as error:  # noqa: BLE001 - the thread's edge: the other examinations go on
            found = (
                f"Not examined: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            )
            self._found = [unknown(self._subject, found, "Put right what else is wrong, and ask again.")]

    def findings(self, patience: timedelta) -> list[Finding]:
        """What it found; that it hangs, if it does."""
        if not self.is_alive():
            return self._found
        found = f"No answer within {patience.total_seconds():.0f} s: what it asks hangs."
        return [wrong(self._subject, found, "Look at the load of that server and at the network between.")]
