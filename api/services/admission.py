"""Whether there is room for one more query. Only submits are ever refused for want of it."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from shared.database.queries.standing import open_samples
from shared.errors import ServiceFull, WorkspaceFull


@dataclass(frozen=True, slots=True)
class Bounds:
    """Samples that may be promised and not there yet: of one workspace, and of all together."""

    workspace: int
    service: int


@dataclass(slots=True)
class Gate:
    """Keeps the bounds, by figures that are at most `fresh_for` old, and what this process took since then.

    Reading them at each submit would cost more than the submit itself where many jobs are open. So what other
    processes take meanwhile may go over a bound, by as much as they take in that time.
    """

    bounds: Bounds
    fresh_for: timedelta = timedelta(seconds=0.5)
    _open: Counter[int] = field(default_factory=Counter, init=False)
    _taken: Counter[int] = field(default_factory=Counter, init=False)  # by this process, ever
    _looked: float = field(default=float("-inf"), init=False)  # when the last look began
    _known: float = field(default=float("-inf"), init=False)  # when that one began whose figures these are

    async def admit(self, session: AsyncSession, workspace_id: int, samples: int) -> None:
        """Take a query in. The one that reaches a bound is taken.

        Raises WorkspaceFull and ServiceFull once a bound is reached, and DatabaseUnavailable.
        """
        if time.monotonic() - self._looked > self.fresh_for.total_seconds():
            await self._look(session)
        own, everybodys = self._open[workspace_id], self._open.total()
        if own >= self.bounds.workspace:
            raise WorkspaceFull(
                f"This workspace waits for {own:,} samples already; the most is {self.bounds.workspace:,}. "
                "Send the query again when some of its queries have ended, or cancel some."
            )
        if everybodys >= self.bounds.service:
            raise ServiceFull(
                f"This server has {everybodys:,} samples to generate, as many as it takes. "
                "Send the query again in a few minutes; queries that were accepted are not touched."
            )
        self._open[workspace_id] += samples
        self._taken[workspace_id] += samples

    async def _look(self, session: AsyncSession) -> None:
        """Read the figures; what was taken while they were read may not be in them."""
        began = self._looked = time.monotonic()  # before the statement: one look at a time is enough
        await session.connection()
        before = self._taken.copy()
        rows = await session.execute(open_samples())
        if began > self._known:  # One that was held up may be older than what is known by now.
            self._known, self._open = began, Counter(dict(rows.all())) + (self._taken - before)
