"""A clock of the process's own: what is done again and again, whatever a broker does.

A round that fails is not the last one; one that hangs ends the process, and whoever supervises it starts
another.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import structlog

from shared.errors import Unavailable

log = structlog.get_logger()

_LOOKS = 10  # in the time that one is patient
_PATIENCE_AT_THE_END = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class Round:
    """What is done, and how often; what takes longer than `patience` hangs, None: it may take any time."""

    name: str
    every: timedelta
    action: Callable[[], object]
    patience: timedelta | None = None


@contextmanager
def ticking(rounds: Sequence[Round], end: Callable[[], None]) -> Iterator[None]:
    """Do these rounds in the block, at once and again and again, each in a thread of its own.

    A slow one holds up no other. `end` is called if one hangs.
    """
    ending = threading.Event()
    hands = [_Hand(each, ending) for each in rounds]
    watches = [_Watch(hand, hand.round.patience, end) for hand in hands if hand.round.patience]
    threads: list[threading.Thread] = [*hands, *watches]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ending.set()
        until = time.monotonic() + _PATIENCE_AT_THE_END
        for thread in threads:
            thread.join(timeout=max(0.0, until - time.monotonic()))


class _Hand(threading.Thread):
    """Goes one round after the other."""

    def __init__(self, each: Round, ending: threading.Event) -> None:
        super().__init__(name=each.name, daemon=True)
        self.round, self.ending = each, ending
        self.began: float | None = None  # None between two rounds

    def run(self) -> None:
        """Until the end."""
        while not self.ending.is_set():
            self.began = time.monotonic()
            self._go()
            self.began = None
            self.ending.wait(self.round.every.total_seconds())

    def _go(self) -> None:
        try:
            self.round.action()
        except Unavailable as error:
            log.warning("round.skipped", round=self.round.name, error=str(error))
        except Exception as error:  # the thread's edge: what fails once must not end it
            log.error("round.failed", round=self.round.name, exc_info=error)


class _Watch(threading.Thread):
    """Ends the process when a hand stands still."""

    def __init__(self, hand: _Hand, patience: timedelta, end: Callable[[], None]) -> None:
        super().__init__(name=f"watch {hand.round.name}", daemon=True)
        self._hand, self._seconds, self._end = hand, patience.total_seconds(), end

    def run(self) -> None:
        """Until the end, or until it hangs."""
        while not self._hand.ending.wait(self._seconds / _LOOKS):
            began = self._hand.began
            if began is not None and time.monotonic() - began > self._seconds:
                log.critical("round.hangs", round=self._hand.round.name, seconds=self._seconds)
                self._end()
                return
