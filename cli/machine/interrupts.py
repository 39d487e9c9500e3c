"""Signals as something that is noticed at a pause, never in the middle of a step.

Ctrl-C and SIGTERM ask for the end, SIGHUP for a rolling restart; from a terminal that hangs up, for the end.
"""

from __future__ import annotations

import os
import signal
import time
from types import FrameType, TracebackType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequested(Exception):
    """Somebody asked this command to stop; the way to a clean end, not a fault."""


class Interrupts:
    """While entered, the signals are remembered; `pause` raises StopRequested once one asked for the end."""

    def __init__(self) -> None:
        self.requested = False
        self._restart = False

    def __enter__(self) -> Interrupts:
        self._terminal = _has_terminal()
        self._before = {number: signal.signal(number, self._remember) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def pause(self, seconds: float) -> None:
        """Sleep for a moment. Raises StopRequested."""
        if not self.requested:
            time.sleep(seconds)
        if self.requested:
            raise StopRequested

    def restart_requested(self) -> bool:
        """Whether somebody asked for a restart since the last time that this was asked."""
        requested, self._restart = self._restart, False
        return requested

    def _remember(self, number: int, frame: FrameType | None) -> None:
        del frame
        if number != signal.SIGHUP:
            self.requested = True
        elif self._hung_up():
            # `nohup` means: go on without it.
            self.requested = self._before[signal.SIGHUP] != signal.SIG_IGN
        else:
            self._restart = True

    def _hung_up(self) -> bool:
        had, self._terminal = self._terminal, _has_terminal()
        return had and not self._terminal


def _has_terminal() -> bool:
    """Whether this process has a terminal that is still there."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
