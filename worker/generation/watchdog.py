"""A thread that ends a worker which claims nothing although chunks that it could claim have waited for long.

A broker's client may fall silent with its process alive; whoever supervises the process starts it again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import Engine

from shared.database.engines import transaction
from shared.database.queries import claims
from worker.generation.claim import Claimant

log = structlog.get_logger()

_LOOKS = 10  # in the time that one is patient


class Sign:
    """When a worker last asked for work; it begins as if it had just done so."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def give(self) -> None:
        """It asks now."""
        self._last = time.monotonic()

    @property
    def age(self) -> timedelta:
        """How long ago it asked."""
        return timedelta(seconds=time.monotonic() - self._last)


@dataclass(frozen=True, slots=True)
class Watchdog:
    """Who is watched, by which sign, how long one is patient, and what is done then.

    `patience` must be longer than any batch takes: a worker that computes does not ask.
    """

    database: Engine
    claimant: Claimant
    sign: Sign
    patience: timedelta
    end: Callable[[], None]

    def look(self) -> bool:
        """Whether the worker is stuck; has it end if it is. Raises DatabaseUnavailable."""
        idle = self.sign.age
        if idle < self.patience or not self._waiting():
            return False
        log.critical("worker.stuck", idle_seconds=round(idle.total_seconds()), worker=self.claimant.owner)
        self.end()
        return True

    def _waiting(self) -> bool:
        """Whether something has waited for that long that this worker could have claimed."""
        with transaction(self.database) as session:
            statement = claims.waiting_longer(self.claimant.models(), self.patience)
            return session.scalars(statement).first() is not None


@contextmanager
def watched(watchdog: Watchdog) -> Iterator[None]:
    """Look again and again in the block."""
    ending = threading.Event()
    thread = threading.Thread(target=_watch, args=(watchdog, ending), name="watchdog", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join(timeout=5)


def _watch(watchdog: Watchdog, ending: threading.Event) -> None:
    while not ending.wait(watchdog.patience.total_seconds() / _LOOKS):
        try:
            if watchdog.look():
                return
        except Exception as error:  # noqa: BLE001 - the thread's edge: a look that fails must not be the last
            log.warning("watchdog.missed", error=str(error))
