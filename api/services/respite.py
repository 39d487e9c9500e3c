"""How long one request goes on asking a database that is away. Knows no HTTP, and not what is asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from shared.database.engines import SLOWEST_REFUSAL
from shared.errors import DatabaseUnavailable

T = TypeVar("T")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0  # seconds


@dataclass(slots=True)
class Respite:
    """The one clock of a request: it starts when the first try that fails begins, and runs for `patience`.

    A try may itself take long, where Postgres is frozen; but a long poll that fails at its end has not asked
    all the time.
    """

    patience: timedelta
    _away_since: float | None = field(default=None, init=False)
    _pause: float = field(default=_FIRST_PAUSE, init=False)

    async def granted(self, began: float) -> bool:
        """Whether to try again, after a pause; `began` is when the failed try did, on the monotonic clock."""
        now = time.monotonic()
        if self._away_since is None:
            self._away_since = max(began, now - SLOWEST_REFUSAL.total_seconds())
        if now + self._pause - self._away_since > self.patience.total_seconds():
            return False
        await asyncio.sleep(self._pause)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        return True

    async def ride_out(self, ask: Callable[[bool], Awaitable[T]]) -> T:
        """The answer of a call that is told whether it is made again; each time but the first it is.

        Raises DatabaseUnavailable once patience is over.
        """
        again = False
        while True:
            began = time.monotonic()
            try:
                return await ask(again)
            except DatabaseUnavailable:
                if not await self.granted(began):
                    raise
            again = True
