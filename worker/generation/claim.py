"""Claiming a batch: queued chunks of one model version, of any job, each under a new fencing token."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine, Row
from sqlalchemy.orm import Session

from shared.database.engines import transaction
from shared.database.queries import claims
from shared.database.queries import jobs as job_statements
from shared.jobs.lanes import Lane, Turn
from shared.queries.requests import RequestType
from shared.queries.spec import SamplingStrategy
from shared.sheets.sheet import SheetRow
from worker.generation.conditions import row_of
from worker.generation.sheets import sheets_of
from worker.generation.work import Work

ANY_TURN = Turn()
_CHUNKS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who claims, what it can compute now, how long it owns a chunk, and how many samples it takes at once.

    `models` gives the versions of each public model id; what waited longer than `patience` goes first.
    """

    owner: str
    models: Callable[[], Mapping[str, Collection[int]]]
    lease: timedelta
    batch_samples: int
    patience: timedelta = ANY_TURN.patience


def claim(engine: Engine, claimant: Claimant, turn: Turn = ANY_TURN) -> list[Work]:
    """Own the next batch; an empty list when nothing waits. Raises DatabaseUnavailable.

    Conditions that lie in sheets are not read: no transaction waits for the storage.
    """
    with transaction(engine) as session:
        chunks = _lease_batch(session, claimant, turn)
        if not chunks:
            return []
        started = session.execute(*claims.start_jobs({chunk.job_id for chunk in chunks}))
        jobs = {job.id: job for job in started}
        works = [_work(chunk, jobs[chunk.job_id]) for chunk in chunks]
        inputs = _inputs(session, [work.chunk_id for work in works if not work.sheets])
        return [work if work.sheets else work.over(inputs[work.chunk_id]) for work in works]


def _lease_batch(session: Session, claimant: Claimant, turn: Turn) -> Sequence[Row[Any]]:
    """Lock what is leased and no more; what other workers are taking just now is passed over."""
    models = claimant.models()
    passed_over: set[int] = set()
    while True:
        statement = claims.claimable(models, passed_over, _CHUNKS_AT_ONCE, turn)
        candidates = session.execute(statement).all()
        chosen = {chunk.id for chunk in _batch_of(candidates, claimant.batch_samples)}
        if not chosen:
            return []
        if leased := session.execute(*claims.lease(chosen, claimant.owner, claimant.lease)).all():
            return leased
        passed_over |= chosen


def _batch_of(candidates: Sequence[Row[Any]], batch_samples: int) -> Iterable[Row[Any]]:
    """The first chunk, and those of the same model and version behind it while they fit.

    A chunk that was tried before is tried alone: what killed its worker must not kill its neighbours again.
    """
    room = batch_samples
    for chunk in candidates:
        first = chunk is candidates[0]
        if not first and (chunk.attempts or not _alike(chunk, candidates[0])):
            continue
        if not first and chunk.num_samples > room:
            return
        room -= chunk.num_samples
        yield chunk
        if chunk.attempts:
            return


def _alike(chunk: Row[Any], other: Row[Any]) -> bool:
    return (chunk.model_id, chunk.model_version) == (other.model_id, other.model_version)


def _inputs(session: Session, chunk_ids: Collection[int]) -> Mapping[int, list[SheetRow]]:
    """The conditions of each chunk, read at once: a batch may be of 64 jobs."""
    found: dict[int, list[SheetRow]] = defaultdict(list)
    if chunk_ids:
        for saved in session.execute(job_statements.inputs_of_chunks(chunk_ids)):
            found[saved.chunk_id].append(row_of(saved))
    return found


def _work(chunk: Row[Any], job: Row[Any]) -> Work:
    return Work(
        chunk_id=chunk.id,
        token=chunk.token,
        job_id=job.id,
        position=chunk.position,
        attempt=chunk.attempts,
        model_id=chunk.model_id,
        model_version=chunk.model_version,
        first_sample=chunk.first_sample,
        num_samples=chunk.num_samples,
        sampling_strategy=SamplingStrategy(job.sampling_strategy),
        total_count=job.total_count,
        deterministic_latents=job.deterministic_latents,
        seed=job.seed,
        sheets=sheets_of(job.sheets, chunk),
        request_type=RequestType(job.request_type),
        conditioning=tuple(job.conditioning),
        fixed_total_count=job.fixed_total_count,
        input_digests=tuple(job.input_digests),
        custom_ids=job.custom_ids,
        lane=Lane(chunk.lane),
        request_id=job.request_id,
        waited=chunk.waited,
    )
