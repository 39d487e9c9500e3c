"""The loop of a generation worker: while one batch is computed, the last one is encoded and stored.

Knows engines as something that turns a batch into arrays, and Celery not at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

import structlog

from shared.errors import DeviceLost, Unavailable
from shared.jobs.lanes import Turn
from shared.results.forms import Rows
from worker.generation import journal
from worker.generation.claim import Claimant, claim
from worker.generation.compute import Fitting
from worker.generation.following import look
from worker.generation.isolation import guilty_inputs
from worker.generation.plugs import Plugs
from worker.generation.setbacks import Setbacks, reason_of
from worker.generation.sheets import Sheets
from worker.generation.storing import Computed, Writers
from worker.generation.watchdog import Sign
from worker.generation.work import Work

log = structlog.get_logger()


class Pipeline:
    """Claims, computes and stores until nothing is queued. For one thread at a time.

    `asked` says when it last looked for work, and `batches` how often it found some.
    """

    def __init__(self, plugs: Plugs, claimant: Claimant, max_attempts: int) -> None:
        self._plugs, self._claimant = plugs, claimant
        self._setbacks = Setbacks(plugs, max_attempts)
        self._writers = Writers(plugs, self._setbacks)
        self._fitting = Fitting()
        self._sheets = Sheets(plugs.storage)
        self.asked = Sign()
        self.batches = 0

    def drain(self, stopping: Callable[[], bool]) -> int:
        """Work until nothing is queued or `stopping()`; returns the number of samples stored.

        Raises Unavailable when a server is away: what was in hand is given back, and going on would only
        compute it again. Raises DeviceLost when this process can compute nothing any more.
        """
        before, self._setbacks.away = self._writers.stored, None
        try:
            while not stopping() and self._setbacks.away is None:
                works = self._claim()
                if not works:
                    break
                self._plugs.heartbeat.hold(works)
                with journal.about(works):
                    journal.claimed(works, self._claimant.batch_samples)
                    self._run(list(self._with_conditions(works)))
                if 2 * sum(work.num_samples for work in works) < self._claimant.batch_samples:
                    # Nothing more is queued, or it would be in the batch: let it gather.
                    self._writers.wait()
        finally:
            self._writers.wait()
        if self._setbacks.away is not None:
            raise self._setbacks.away
        return self._writers.stored - before

    def close(self) -> None:
        """Let the writers end."""
        self._writers.close()

    def _claim(self) -> list[Work]:
        """The next batch; what is of a model that was added a moment ago is found when nothing else is."""
        self.asked.give()
        plugs = self._plugs
        claimant = replace(self._claimant, batch_samples=self._fitting.most(self._claimant.batch_samples))
        turn = Turn.of(self.batches, claimant.patience)
        works = claim(plugs.database, claimant, turn)
        if not works and look(plugs.database, plugs.engines.shelf):
            works = claim(plugs.database, claimant, turn)
        self.batches += bool(works)
        return works

    def _with_conditions(self, works: Sequence[Work]) -> Iterator[Work]:
        """The chunks with what is asked of them, where that can be read."""
        for place, work in enumerate(works):
            try:
                yield work.read(self._sheets) if work.sheets else work
            except Unavailable as error:
                for each in works[place:]:
                    self._setbacks.failed(each, error)
                return
            except Exception as error:  # noqa: BLE001 - the worker's edge: whatever lies there, the loop goes on
                self._setbacks.failed(work, error)

    def _run(self, works: Sequence[Work]) -> None:
        """Compute a batch and hand its parts to the writers; a batch that fails is run again in halves."""
        works = [work for work in works if not self._setbacks.lost(work)]
        if not works:
            return
        if works[0].attempt > 1:
            self._writers.wait()  # what may kill this process must take nothing else with it
        try:
            engine = self._plugs.engines.of(works[0].model_id, works[0].model_version)
            began = time.monotonic()
            parts = self._fitting.compute(engine, self._plugs.storage, works)
            journal.computed(works, timedelta(seconds=time.monotonic() - began))
        except DeviceLost:
            self._setbacks.let_go(works)
            raise
        except Exception as error:  # noqa: BLE001 - the worker's edge: whatever a model does, the loop goes on
            self._run_apart(works, error)
            return
        self._writers.take(
            *(Computed(work, rows, engine.device) for work, rows in zip(works, parts, strict=True))
        )

    def _run_apart(self, works: Sequence[Work], error: Exception) -> None:
        """The halves of a batch that failed; of a chunk, all inputs but the guilty."""
        if len(works) > 1:
            self._run_halves(works)
            return
        (work,) = works
        try:
            if isinstance(error, Unavailable) or len(work.inputs) == 1:
                self._setbacks.failed(work, error)
            else:
                self._rescue(work, error)
        except DeviceLost:
            self._setbacks.let_go(works)
            raise
        except Exception as worse:  # noqa: BLE001 - as above
            self._setbacks.failed(work, worse)

    def _run_halves(self, works: Sequence[Work]) -> None:
        first, second = works[: len(works) // 2], works[len(works) // 2 :]
        try:
            with journal.about(first):
                self._run(first)
        except DeviceLost:
            self._setbacks.return_unbegun(second)
            raise
        with journal.about(second):
            self._run(second)

    def _rescue(self, work: Work, error: Exception) -> None:
        """Deliver the inputs of a chunk that can be computed; that none can may be this worker's fault."""
        engine = self._plugs.engines.of(work.model_id, work.model_version)

        def compute(part: Work) -> Rows:
            (rows,) = self._fitting.compute(engine, self._plugs.storage, [part])
            return rows

        found = guilty_inputs(work, error, compute)
        good = work.only(set(work.inputs) - set(found))
        failures = {place: reason_of(reason) for place, reason in found.items()}
        if good.inputs:
            self._tell(found)
            self._writers.take(Computed(work, compute(good), engine.device, failures))
        elif work.attempt < self._setbacks.max_attempts:
            self._setbacks.failed(work, error)
        else:
            self._tell(found)
            self._setbacks.hopeless(work, failures)

    def _tell(self, found: dict[int, Exception]) -> None:
        for place, reason in found.items():
            log.error("input.failed", input=place, exc_info=reason)
