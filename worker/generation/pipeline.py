"""The loop of a generation worker: while one batch is computed, the last one is encoded and stored.

Knows engines as something that turns a batch into arrays, and Celery not at all.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import Engine as DatabaseEngine

from shared.errors import GeneQueueError, LeaseLost, Unavailable
from shared.results.forms import Rows
from shared.storage.port import Storage
from worker.generation import journal
from worker.generation.claim import Claimant, claim
from worker.generation.complete import complete, fail_attempt, give_back
from worker.generation.compute import compute
from worker.generation.engines import Engines
from worker.generation.following import look
from worker.generation.heartbeat import Heartbeat
from worker.generation.journal import Outcome
from worker.generation.work import Work
from worker.generation.write import write_part

log = structlog.get_logger()

# Chunks encoded at once; twice as many may wait in memory for it.
_WRITERS = 2


@dataclass(frozen=True, slots=True)
class Plugs:
    """What a pipeline is plugged into."""

    database: DatabaseEngine
    storage: Storage
    heartbeat: Heartbeat
    engines: Engines


class Pipeline:
    """Claims, computes and stores until nothing is queued."""

    def __init__(self, plugs: Plugs, claimant: Claimant, max_attempts: int) -> None:
        self._plugs, self._claimant, self._max_attempts = plugs, claimant, max_attempts
        self._writers = ThreadPoolExecutor(_WRITERS, thread_name_prefix="writer")
        self._room = threading.BoundedSemaphore(2 * _WRITERS)
        self._stored = 0
        self._away: Unavailable | None = None

    def drain(self, stopping: Callable[[], bool]) -> int:
        """Work until nothing is queued or `stopping()`; returns the number of samples stored.

        Raises Unavailable when a server is away: what was in hand is given back, and going on would only
        compute it again.
        """
        self._stored, self._away = 0, None
        try:
            while not stopping() and self._away is None:
                works = self._claim()
                if not works:
                    break
                self._plugs.heartbeat.hold(works)
                with journal.about(works):
                    journal.claimed(works, self._claimant.batch_samples)
                    self._run(works)
        finally:
            self._wait_for_writers()
        if self._away is not None:
            raise self._away
        return self._stored

    def close(self) -> None:
        """Let the writers end."""
        self._writers.shutdown(wait=True)

    def _claim(self) -> list[Work]:
        """The next batch; a model that was added a moment ago is known by now."""
        plugs = self._plugs
        look(plugs.database, plugs.engines.shelf)
        return claim(plugs.database, self._claimant)

    def _run(self, works: Sequence[Work]) -> None:
        """Compute a batch and hand its parts to the writers; a batch that fails is run chunk by chunk."""
        try:
            engine = self._plugs.engines.of(works[0].model_id, works[0].model_version)
            began = time.monotonic()
            parts = compute(engine, self._plugs.storage, works)
            journal.computed(works, timedelta(seconds=time.monotonic() - began))
        except Exception as error:  # noqa: BLE001 - the worker's edge: whatever a model does, the loop goes on
            if len(works) > 1:
                for work in works:
                    with journal.about([work]):
                        self._run([work])
                return
            self._failed(works[0], error)
            return
        for work, rows in zip(works, parts, strict=True):
            self._room.acquire()
            self._writers.submit(self._store, work, rows, engine.device)

    def _store(self, work: Work, rows: Rows, device: str) -> None:
        journal.now_about(work)
        try:
            if not self._plugs.heartbeat.holds(work):
                journal.ended(work, Outcome.LEASE_LOST)
                return
            part = write_part(self._plugs.storage, work, rows, device)
            complete(self._plugs.database, self._plugs.storage, work, part)
            self._stored += work.num_samples
            journal.ended(work, Outcome.DONE)
        except LeaseLost as error:
            journal.ended(work, Outcome.LEASE_LOST)
            log.warning("chunk.lease_lost", error=str(error))
        except Exception as error:  # noqa: BLE001 - the edge of the writer's thread
            self._failed(work, error)
        finally:
            self._plugs.heartbeat.drop(work)
            self._room.release()

    def _failed(self, work: Work, error: Exception) -> None:
        """Count the attempt as failed, or give the chunk back when only a server was away."""
        log.error("chunk.failed", exc_info=error)
        self._plugs.heartbeat.drop(work)
        try:
            if isinstance(error, Unavailable):
                self._away = error
                journal.ended(work, Outcome.GIVEN_BACK)
                give_back(self._plugs.database, [work])
            else:
                journal.ended(work, Outcome.FAILED)
                fail_attempt(self._plugs.database, work, _reason(error), self._max_attempts)
        except Unavailable as unavailable:
            log.warning("chunk.left_to_its_lease", error=str(unavailable))

    def _wait_for_writers(self) -> None:
        for _ in range(2 * _WRITERS):
            self._room.acquire()
        for _ in range(2 * _WRITERS):
            self._room.release()


def _reason(error: Exception) -> str:
    """What a user is told: our own sentence, or the kind of error without its inner text."""
    if isinstance(error, GeneQueueError):
        return str(error)
    return (
        f"The model could not compute this chunk ({type(error).__name__}); the worker's log has the details."
    )
