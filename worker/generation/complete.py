"""Ending an attempt in the rows: done, failed, tried again, or given back; the last chunk ends its job.

Everything is guarded by the fencing token: a worker that lost its lease changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from shared.database.engines import transaction
from shared.database.queries import ending, leases
from shared.database.queries.submitting import save_inputs
from shared.errors import LeaseLost
from shared.storage.port import Storage
from worker.generation.conditions import columns_of
from worker.generation.ending import Ended, end_chunks, missing
from worker.generation.work import Work

Failures = Mapping[int, str]  # the reason, by the input's place in its job


@dataclass(frozen=True, slots=True)
class Stored:
    """A chunk whose part lies in the storage, and why some of its inputs are not in it."""

    work: Work
    part: leases.StoredPart
    failures: Failures = field(default_factory=dict)

    @property
    def lost(self) -> int:
        """The samples that are not in the part."""
        return self.work.only(self.failures).num_samples if self.failures else 0

    @property
    def ended(self) -> Ended:
        """What it means for the job."""
        done = self.work.num_samples - self.lost
        return Ended(self.work.job_id, self.work.token, done, self.lost, _first(self.failures.values()))


def complete(
    engine: Engine, storage: Storage, work: Work, part: leases.StoredPart, failures: Failures | None = None
) -> None:
    """Record a stored part, and the inputs that are not in it; if it was the job's last, end the job.

    Raises LeaseLost if the chunk was given to somebody else meanwhile, or its job is over: what is not
    counted must not lie among its parts. Raises DatabaseUnavailable, StorageUnavailable.
    """
    complete_together(engine, storage, [Stored(work, part, failures or {})])


def complete_together(engine: Engine, storage: Storage, group: Sequence[Stored]) -> None:
    """The same for several chunks in one transaction: all of them, or none and the error of one.

    They are of different jobs. First the chunks are locked, which are ours, then the jobs.
    """
    with transaction(engine) as session:
        parts = ((each.work.lease, each.part, each.lost) for each in group)
        done = set(session.scalars(*leases.complete_chunks(parts)))
        for work in (each.work for each in group):
            if work.chunk_id not in done:
                raise LeaseLost(f"Chunk {work.position} of job {work.job_id} belongs to another worker now.")
        for each in group:
            _say_why(session, each.work, each.failures)
        counted = end_chunks(session, storage, [each.ended for each in group])
        for work in (each.work for each in group):
            if work.job_id not in counted:
                raise LeaseLost(
                    f"Job {work.job_id} is over: its chunk {work.position} is not wanted any more."
                )


def fail(engine: Engine, storage: Storage, work: Work, failures: Failures, reason: str = "") -> None:
    """Every input of the chunk failed for good; nothing happens where the lease was lost.

    Where not even the inputs are known, `reason` says why, and the job warns that these samples are missing.
    """
    reason = reason or _first(failures.values())
    with transaction(engine) as session:
        if session.execute(leases.fail_chunk(*work.lease, reason)).one_or_none() is not None:
            _say_why(session, work, failures)
            if not work.conditions:
                session.execute(
                    ending.warn(work.job_id, missing(work.first_sample, work.num_samples, reason))
                )
            end_chunks(session, storage, [Ended(work.job_id, work.token, 0, work.num_samples, reason)])


def try_again(engine: Engine, work: Work, error: str) -> None:
    """An attempt went wrong: the chunk is queued again."""
    with transaction(engine) as session:
        session.execute(leases.try_again(*work.lease, error))


def give_back(engine: Engine, works: Collection[Work]) -> None:
    """Return chunks that were claimed and not computed, for another worker to claim at once."""
    with transaction(engine) as session:
        for work in works:
            session.execute(leases.give_back(*work.lease))


def abandon(engine: Engine, works: Collection[Work]) -> None:
    """Let go of chunks that may be what ended this process: their attempt counts."""
    with transaction(engine) as session:
        session.execute(leases.abandon([work.lease for work in works]))


def is_named(engine: Engine, work: Work, part: leases.StoredPart) -> bool:
    """Whether the chunk's row points at this part. Raises DatabaseUnavailable."""
    with transaction(engine) as session:
        return session.scalars(leases.part_is_named(work.chunk_id, part.key)).first() is not None


def _say_why(session: Session, work: Work, failures: Failures) -> None:
    if work.sheets:
        failed = [each.row for each in work.conditions if each.input_index in failures]
        session.execute(save_inputs(work.job_id, map(columns_of, failed)))
    for reason in dict.fromkeys(failures.values()):
        inputs = [place for place, why in failures.items() if why == reason]
        session.execute(ending.fail_inputs(work.job_id, inputs, reason))


def _first(reasons: Iterable[str]) -> str:
    return next(iter(reasons), "")
