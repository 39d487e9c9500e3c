"""Ending an attempt in the rows: done, failed, tried again, or given back; the last chunk ends its job.

Everything is guarded by the fencing token: a worker that lost its lease changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from shared.database.engines import transaction
from shared.database.queries import ending, leases
from shared.errors import LeaseLost
from shared.storage.port import Storage
from worker.generation.ending import Ended, end_chunk
from worker.generation.work import Work

Failures = Mapping[int, str]  # the reason, by the input's place in its job


def complete(
    engine: Engine, storage: Storage, work: Work, part: leases.StoredPart, failures: Failures | None = None
) -> None:
    """Record a stored part, and the inputs that are not in it; if it was the job's last, end the job.

    Raises LeaseLost if the chunk was given to somebody else meanwhile, or its job is over: what is not
    counted must not lie among its parts. Raises DatabaseUnavailable, StorageUnavailable.
    """
    failures = failures or {}
    lost = work.only(failures).num_samples
    with transaction(engine) as session:
        row = session.execute(leases.complete_chunk(*work.lease, part, lost)).one_or_none()
        if row is None:
            raise LeaseLost(f"Chunk {work.position} of job {work.job_id} belongs to another worker now.")
        _say_why(session, work, failures)
        done = work.num_samples - lost
        ended = Ended(work.job_id, work.token, done, lost, _first(failures.values()))
        if not end_chunk(session, storage, ended):
            raise LeaseLost(f"Job {work.job_id} is over: its chunk {work.position} is not wanted any more.")


def fail(engine: Engine, storage: Storage, work: Work, failures: Failures) -> None:
    """Every input of the chunk failed for good; nothing happens where the lease was lost."""
    reason = _first(failures.values())
    with transaction(engine) as session:
        if session.execute(leases.fail_chunk(*work.lease, reason)).one_or_none() is not None:
            _say_why(session, work, failures)
            end_chunk(session, storage, Ended(work.job_id, work.token, 0, work.num_samples, reason))


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
    for reason in dict.fromkeys(failures.values()):
        inputs = [place for place, why in failures.items() if why == reason]
        session.execute(ending.fail_inputs(work.job_id, inputs, reason))


def _first(reasons: Iterable[str]) -> str:
    return next(iter(reasons), "")
