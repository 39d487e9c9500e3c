"""What becomes of chunks in hand that do not end well: tried again, given back, failed, or left to others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog
from sqlalchemy import Engine as DatabaseEngine

from shared.errors import GeneQueueError, Unavailable
from worker.generation import journal
from worker.generation.complete import Failures, abandon, fail, give_back, try_again
from worker.generation.journal import Outcome
from worker.generation.plugs import Plugs
from worker.generation.work import Work

log = structlog.get_logger()


class Setbacks:
    """Says in the rows what went wrong; while the database is away, leases simply run out.

    `away` is the last server that was found away. For any thread.
    """

    def __init__(self, plugs: Plugs, max_attempts: int) -> None:
        self._plugs, self.max_attempts = plugs, max_attempts
        self.away: Unavailable | None = None

    def lost(self, work: Work) -> bool:
        """Whether the chunk is not ours any more: somebody else's, or cancelled."""
        if self._plugs.heartbeat.holds(work):
            return False
        with journal.about([work]):
            journal.ended(work, Outcome.LEASE_LOST)
        return True

    def failed(self, work: Work, error: Exception) -> None:
        """Count the attempt as failed, or give the chunk back when only a server was away."""
        log.error("chunk.failed", exc_info=error)
        if isinstance(error, Unavailable):
            self.away = error
            self._plugs.heartbeat.drop(work)
            journal.ended(work, Outcome.GIVEN_BACK)
            self.return_unbegun([work])
        elif work.attempt < self.max_attempts:
            self._plugs.heartbeat.drop(work)
            journal.ended(work, Outcome.FAILED)
            self._change([work], lambda database, _: try_again(database, work, reason_of(error)))
        else:
            reason = reason_of(error)
            self.hopeless(work, dict.fromkeys(work.inputs, reason), reason)

    def hopeless(self, work: Work, failures: Failures, reason: str = "") -> None:
        """No input of the chunk can be computed; `reason` says why where they cannot even be read."""
        try:
            fail(self._plugs.database, self._plugs.storage, work, failures, reason)
        except Unavailable as error:
            self.failed(work, error)
            return
        self._plugs.heartbeat.drop(work)
        journal.ended(work, Outcome.FAILED)

    def let_go(self, works: Sequence[Work]) -> None:
        """Nothing can be computed here any more: the chunks are for others, and the attempt counts."""
        for work in works:
            self._plugs.heartbeat.drop(work)
            journal.ended(work, Outcome.FAILED)
        self._change(works, abandon)

    def return_unbegun(self, works: Sequence[Work]) -> None:
        """The chunks are for others, as if they had not been claimed."""
        self._change(works, give_back)

    def _change(
        self, works: Sequence[Work], change: Callable[[DatabaseEngine, Sequence[Work]], None]
    ) -> None:
        try:
            change(self._plugs.database, works)
        except Unavailable as error:
            log.warning("chunk.left_to_its_lease", error=str(error))


def reason_of(error: Exception) -> str:
    """What a user is told: our own sentence, or the kind of error without its inner text."""
    if isinstance(error, GeneQueueError):
        return str(error)
    return f"The model could not compute it ({type(error).__name__}); the worker's log has the details."
