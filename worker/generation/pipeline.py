"""The loop of a generation worker: while one batch is computed, the last one is encoded and stored.

Knows engines as something that turns a batch into arrays, and Celery not at all.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta

import structlog
from sqlalchemy import Engine as DatabaseEngine

from shared.errors import DeviceLost, GeneQueueError, LeaseLost, Unavailable
from shared.jobs.lanes import Turn
from shared.results.forms import Rows
from shared.storage.port import Storage
from worker.generation import journal
from worker.generation.claim import Claimant, claim
from worker.generation.complete import Failures, abandon, complete, fail, give_back, try_again
from worker.generation.compute import Fitting
from worker.generation.engines import Engines
from worker.generation.following import look
from worker.generation.heartbeat import Heartbeat
from worker.generation.isolation import guilty_inputs
from worker.generation.journal import Outcome
from worker.generation.watchdog import Sign
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


@dataclass(frozen=True, slots=True)
class Computed:
    """The rows of a chunk, and why some of its inputs are not among them."""

    work: Work
    rows: Rows
    device: str
    failures: Failures = field(default_factory=dict)


class Pipeline:
    """Claims, computes and stores until nothing is queued.

    `asked` says when it last looked for work, and `claims` how often.
    """

    def __init__(self, plugs: Plugs, claimant: Claimant, max_attempts: int) -> None:
        self._plugs, self._claimant, self._max_attempts = plugs, claimant, max_attempts
        self._writers = ThreadPoolExecutor(_WRITERS, thread_name_prefix="writer")
        self._room = threading.BoundedSemaphore(2 * _WRITERS)
        self._stored = 0
        self.claims = 0
        self.asked = Sign()
        self._fitting = Fitting()
        self._away: Unavailable | None = None

    def drain(self, stopping: Callable[[], bool]) -> int:
        """Work until nothing is queued or `stopping()`; returns the number of samples stored.

        Raises Unavailable when a server is away: what was in hand is given back, and going on would only
        compute it again. Raises DeviceLost when this process can compute nothing any more.
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
        self.asked.give()
        plugs = self._plugs
        look(plugs.database, plugs.engines.shelf)
        self.claims += 1
        claimant = replace(self._claimant, batch_samples=self._fitting.most(self._claimant.batch_samples))
        return claim(plugs.database, claimant, Turn.of(self.claims, claimant.patience))

    def _run(self, works: Sequence[Work]) -> None:
        """Compute a batch and hand its parts to the writers; a batch that fails is run again in halves."""
        works = [work for work in works if self._is_ours(work)]
        if not works:
            return
        if works[0].attempt > 1:
            self._wait_for_writers()  # what may kill this process must take nothing else with it
        try:
            engine = self._plugs.engines.of(works[0].model_id, works[0].model_version)
            began = time.monotonic()
            parts = self._fitting.compute(engine, self._plugs.storage, works)
            journal.computed(works, timedelta(seconds=time.monotonic() - began))
        except DeviceLost:
            self._let_go(works)
            raise
        except Exception as error:  # noqa: BLE001 - the worker's edge: whatever a model does, the loop goes on
            self._run_apart(works, error)
            return
        for work, rows in zip(works, parts, strict=True):
            self._hand_over(Computed(work, rows, engine.device))

    def _run_halves(self, works: Sequence[Work]) -> None:
        first, second = works[: len(works) // 2], works[len(works) // 2 :]
        try:
            with journal.about(first):
                self._run(first)
        except DeviceLost:
            self._change(second, give_back)
            raise
        with journal.about(second):
            self._run(second)

    def _run_apart(self, works: Sequence[Work], error: Exception) -> None:
        """The halves of a batch that failed; of a chunk, at its last attempt, all inputs but the guilty."""
        if len(works) > 1:
            self._run_halves(works)
            return
        (work,) = works
        try:
            if not isinstance(error, Unavailable) and work.attempt >= self._max_attempts:
                self._rescue(work, error)
            else:
                self._failed(work, error)
        except DeviceLost:
            self._let_go(works)
            raise
        except Exception as worse:  # noqa: BLE001 - as above
            self._failed(work, worse)

    def _rescue(self, work: Work, error: Exception) -> None:
        """Deliver the inputs of a chunk that can be computed."""
        engine = self._plugs.engines.of(work.model_id, work.model_version)

        def compute(part: Work) -> Rows:
            (rows,) = self._fitting.compute(engine, self._plugs.storage, [part])
            return rows

        found = guilty_inputs(work, error, compute)
        good = work.only(set(work.inputs) - set(found))
        failures = {place: _reason(reason) for place, reason in found.items()}
        for place, reason in found.items():
            log.error("input.failed", input=place, exc_info=reason)
        if good.inputs:
            self._hand_over(Computed(work, compute(good), engine.device, failures))
        else:
            fail(self._plugs.database, self._plugs.storage, work, failures)
            journal.ended(work, Outcome.FAILED)
            self._plugs.heartbeat.drop(work)

    def _let_go(self, works: Sequence[Work]) -> None:
        """Nothing can be computed here any more: the chunks are for others, and the attempt counts."""
        for work in works:
            self._plugs.heartbeat.drop(work)
            journal.ended(work, Outcome.FAILED)
        self._change(works, abandon)

    def _change(
        self, works: Sequence[Work], change: Callable[[DatabaseEngine, Sequence[Work]], None]
    ) -> None:
        """Do something about chunks in the rows; while the database is away, their leases run out."""
        try:
            change(self._plugs.database, works)
        except Unavailable as unavailable:
            log.warning("chunk.left_to_its_lease", error=str(unavailable))

    def _is_ours(self, work: Work) -> bool:
        """Whether the chunk is still ours; one that was cancelled is not."""
        if self._plugs.heartbeat.holds(work):
            return True
        with journal.about([work]):
            journal.ended(work, Outcome.LEASE_LOST)
        return False

    def _hand_over(self, computed: Computed) -> None:
        self._room.acquire()
        self._writers.submit(self._store, computed)

    def _store(self, computed: Computed) -> None:
        work, plugs = computed.work, self._plugs
        journal.now_about(work)
        try:
            if not self._is_ours(work):
                return
            part = write_part(plugs.storage, work, computed.rows, computed.device)
            complete(plugs.database, plugs.storage, work, part, computed.failures)
            samples = len(computed.rows.input_index)
            self._stored += samples
            journal.ended(work, Outcome.DONE, samples)
        except LeaseLost as error:
            journal.ended(work, Outcome.LEASE_LOST)
            log.warning("chunk.lease_lost", error=str(error))
        except Exception as error:  # noqa: BLE001 - the edge of the writer's thread
            self._failed(work, error)
        finally:
            plugs.heartbeat.drop(work)
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
                return
            journal.ended(work, Outcome.FAILED)
            if work.attempt < self._max_attempts:
                try_again(self._plugs.database, work, _reason(error))
            else:
                failures = dict.fromkeys(work.inputs, _reason(error))
                fail(self._plugs.database, self._plugs.storage, work, failures)
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
    return f"The model could not compute it ({type(error).__name__}); the worker's log has the details."
