"""Encodes and stores what was computed, in threads of its own, while the next batch is computed."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import structlog

from shared.database.queries.leases import StoredPart
from shared.errors import LeaseLost, Unavailable
from shared.results.forms import Rows
from worker.generation import journal
from worker.generation.complete import Failures, complete, is_named
from worker.generation.journal import Outcome
from worker.generation.plugs import Plugs
from worker.generation.setbacks import Setbacks
from worker.generation.work import Work
from worker.generation.write import write_part

log = structlog.get_logger()

# Chunks encoded at once; twice as many may wait in memory for it.
_WRITERS = 2


@dataclass(frozen=True, slots=True)
class Computed:
    """The rows of a chunk, and why some of its inputs are not among them."""

    work: Work
    rows: Rows
    device: str
    failures: Failures = field(default_factory=dict)


class Writers:
    """A few threads that store; `stored` counts the samples."""

    def __init__(self, plugs: Plugs, setbacks: Setbacks) -> None:
        self._plugs, self._setbacks = plugs, setbacks
        self._threads = ThreadPoolExecutor(_WRITERS, thread_name_prefix="writer")
        self._room = threading.BoundedSemaphore(2 * _WRITERS)
        self._counting = threading.Lock()
        self.stored = 0

    def take(self, computed: Computed) -> None:
        """Have a chunk stored; waits while too many wait."""
        self._room.acquire()
        self._threads.submit(self._write, computed)

    def wait(self) -> None:
        """Until nothing is in hand."""
        for _ in range(2 * _WRITERS):
            self._room.acquire()
        for _ in range(2 * _WRITERS):
            self._room.release()

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=True)

    def _write(self, computed: Computed) -> None:
        work = computed.work
        journal.now_about(work)
        try:
            if not self._setbacks.lost(work):
                self._store(computed)
        except Exception as error:  # noqa: BLE001 - the edge of the writer's thread
            self._setbacks.failed(work, error)
        finally:
            self._plugs.heartbeat.drop(work)
            self._room.release()

    def _store(self, computed: Computed) -> None:
        work, plugs = computed.work, self._plugs
        part = write_part(plugs.storage, work, computed.rows, computed.device)
        try:
            complete(plugs.database, plugs.storage, work, part, computed.failures)
        except LeaseLost as error:
            journal.ended(work, Outcome.LEASE_LOST)
            log.warning("chunk.lease_lost", error=str(error))
            self._discard(work, part)
            return
        samples = len(computed.rows.input_index)
        with self._counting:
            self.stored += samples
        journal.ended(work, Outcome.DONE, samples)

    def _discard(self, work: Work, part: StoredPart) -> None:
        """Delete a part that came too late. Its key holds our token, so that nobody else ever points at it.

        We may: a commit whose answer was lost went through.
        """
        plugs = self._plugs
        try:
            if not is_named(plugs.database, work, part):
                plugs.storage.delete([part.key])
        except Unavailable as error:
            log.warning("part.left_behind", error=str(error))  # upkeep deletes it later
