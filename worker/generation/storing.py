"""Encodes and stores what was computed, in threads of its own, while the next batch is computed."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import structlog

from shared.database.queries.leases import StoredPart
from shared.errors import LeaseLost, Unavailable
from shared.results.forms import Rows
from worker.generation import journal
from worker.generation.complete import Failures, Stored, complete_together, is_named
from worker.generation.journal import Outcome
from worker.generation.plugs import Plugs
from worker.generation.setbacks import Setbacks
from worker.generation.work import Work
from worker.generation.write import write_part

log = structlog.get_logger()

# Groups of chunks that are encoded and stored at once. None waits in memory: the cores are busy with these.
_WRITERS = 2
# Small chunks are completed in one transaction: so many at once, and so many samples.
_CHUNKS_TOGETHER, _SAMPLES_TOGETHER = 16, 64


@dataclass(frozen=True, slots=True)
class Computed:
    """The rows of a chunk, and why some of its inputs are not among them."""

    work: Work
    rows: Rows
    device: str
    failures: Failures = field(default_factory=dict)


def groups(computed: Sequence[Computed]) -> Iterator[Sequence[Computed]]:
    """Runs of chunks that are completed together: small ones of different jobs; a large one is alone."""
    group: list[Computed] = []
    for each in computed:
        samples = sum(other.work.num_samples for other in group) + each.work.num_samples
        again = each.work.job_id in {other.work.job_id for other in group}
        if group and (len(group) == _CHUNKS_TOGETHER or samples > _SAMPLES_TOGETHER or again):
            yield group
            group = []
        group.append(each)
    if group:
        yield group


class Writers:
    """A few threads that store; `stored` counts the samples."""

    def __init__(self, plugs: Plugs, setbacks: Setbacks) -> None:
        self._plugs, self._setbacks = plugs, setbacks
        self._threads = ThreadPoolExecutor(_WRITERS, thread_name_prefix="writer")
        self._room = threading.BoundedSemaphore(_WRITERS)
        self._counting = threading.Lock()
        self.stored = 0

    def take(self, *computed: Computed) -> None:
        """Have chunks stored; waits for a thread that is free."""
        for group in groups(computed):
            self._room.acquire()
            self._threads.submit(self._write_group, group)

    def wait(self) -> None:
        """Until nothing is in hand."""
        for _ in range(_WRITERS):
            self._room.acquire()
        for _ in range(_WRITERS):
            self._room.release()

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=True)

    def _write_group(self, group: Sequence[Computed]) -> None:
        """In one transaction if that goes well, else each on its own: what is wrong with one is its own."""
        try:
            ours = [computed for computed in group if not self._setbacks.lost(computed.work)]
            if len(ours) < 2 or not self._write_together(ours):
                for computed in ours:
                    self._write(computed)
        finally:
            self._room.release()

    def _write_together(self, group: Sequence[Computed]) -> bool:
        plugs = self._plugs
        journal.now_about(*(computed.work for computed in group))
        try:
            stored = [self._stored(computed) for computed in group]
            complete_together(plugs.database, plugs.storage, stored)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is met again where it belongs
            log.info("chunks.apart", reason=str(error))
            return False
        for computed in group:
            journal.now_about(computed.work)
            self._done(computed)
            plugs.heartbeat.drop(computed.work)
        return True

    def _write(self, computed: Computed) -> None:
        work = computed.work
        journal.now_about(work)
        try:
            self._store(computed)
        except Exception as error:  # noqa: BLE001 - the edge of the writer's thread
            self._setbacks.failed(work, error)
        finally:
            self._plugs.heartbeat.drop(work)

    def _store(self, computed: Computed) -> None:
        work, plugs = computed.work, self._plugs
        stored = self._stored(computed)
        try:
            complete_together(plugs.database, plugs.storage, [stored])
        except LeaseLost as error:
            journal.ended(work, Outcome.LEASE_LOST)
            log.warning("chunk.lease_lost", error=str(error))
            self._discard(work, stored.part)
            return
        self._done(computed)

    def _stored(self, computed: Computed) -> Stored:
        work = computed.work
        part = write_part(self._plugs.storage, work, computed.rows, computed.device)
        return Stored(work, part, computed.failures)

    def _done(self, computed: Computed) -> None:
        samples = len(computed.rows.input_index)
        with self._counting:
            self.stored += samples
        journal.ended(computed.work, Outcome.DONE, samples)

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
