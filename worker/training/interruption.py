"""Ctrl-C and a polite kill while a network trains: the step is finished, the state kept, then the end."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
EXIT_STATUS = 130  # what a shell reports of a command that Ctrl-C ended


@dataclass(slots=True)
class Interruption:
    """Whether somebody asked the training to stop."""

    asked: bool = False


@contextmanager
def listening() -> Iterator[Interruption]:
    """Within it SIGINT and SIGTERM are noted, not obeyed. A second one is obeyed at once."""
    interruption = Interruption()
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        interruption.asked = True
        for each, handler in before.items():
            signal.signal(each, handler)

    try:
        for number in SIGNALS:
            signal.signal(number, note)
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
