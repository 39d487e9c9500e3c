"""What upkeep does for generation: expired leases are taken back, worn-out jobs end, sleepers are woken.

Everything recovers from rows alone; running it twice, or in two processes at once, changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import Engine

from shared import metrics
from shared.database.engines import transaction
from shared.database.queries import leases, workers
from shared.database.queries.diagnosis import request_ids
from shared.database.tables import Chunk
from shared.jobs.states import ChunkState
from worker.generation.complete import fail_jobs

log = structlog.get_logger()

_WAITING_TOO_LONG = timedelta(seconds=1)
_SILENT_TOO_LONG = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a sweep found: chunks taken back, jobs that had to end, models with chunks that wait."""

    taken_back: int
    failed_jobs: int
    waiting_models: tuple[str, ...]


def recover(engine: Engine, max_attempts: int) -> Recovered:
    """One sweep. Raises DatabaseUnavailable."""
    with transaction(engine) as session:
        statement = leases.take_back_expired(max_attempts)
        expired = session.scalars(statement, execution_options={"populate_existing": True}).all()
        worn_out = {chunk.job_id for chunk in expired if chunk.state == ChunkState.FAILED}
        if worn_out:
            error = (
                f"A part of this query was tried {max_attempts} times, and each time the worker that "
                "computed it stopped answering."
            )
            fail_jobs(session, worn_out, error)
        requests = dict(session.execute(request_ids({chunk.job_id for chunk in expired})).all())
    for chunk in expired:
        _tell(chunk, requests[chunk.job_id])
    with transaction(engine) as session:
        session.execute(leases.cancel_leftovers())
        session.execute(workers.forget_silent_workers(_SILENT_TOO_LONG))
        waiting = tuple(session.scalars(leases.waiting_models(_WAITING_TOO_LONG)))
    return Recovered(len(expired) - len(worn_out), len(worn_out), waiting)


def _tell(chunk: Chunk, request_id: str | None) -> None:
    metrics.LEASES_TAKEN_BACK.labels(chunk.model_id).inc()
    log.warning(
        "lease.taken_back",
        job=str(chunk.job_id),
        request_id=request_id,
        chunk=chunk.position,
        attempt=chunk.attempts,
        model=chunk.model_id,
        version=chunk.model_version,
        state=chunk.state,
    )
