"""Ctrl-C and SIGTERM as something that is noticed at a pause, never in the middle of a step."""

from __future__ import annotations

import signal
import time
from types import FrameType, TracebackType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequested(Exception):
    """Somebody asked this command to stop; the way to a clean end, not a fault."""


class Interrupts:
    """While entered, the signals are remembered; `pause` raises StopRequested once there was one."""

    def __init__(self) -> None:
        self.requested = False

    def __enter__(self) -> Interrupts:
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

    def _remember(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.requested = True
