"""Does to a job's rows and storage what a worker does: real statements, no model, counts that tell places.

The count of gene g in sample s of a job is 1000 * s + g, so a reader can tell what went where.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import numpy as np
import pyarrow as pa
from sqlalchemy import Engine, select

from shared.database.engines import transaction
from shared.database.queries import claims, ending, leases
from shared.database.queries import jobs as job_statements
from shared.database.queries.events import save_event
from shared.database.tables import Chunk
from shared.jobs.chunks import ChunkPlan, runs_of_chunk
from shared.jobs.events import EventKind
from shared.jobs.lanes import Turn
from shared.queries.requests import RequestType
from shared.results.forms import FORMS, Predictions
from shared.results.manifest import part_key
from shared.results.part import CUSTOM_ID, LATENT_GROUPS, Samples, encode_part
from shared.storage.port import Storage
from worker.generation.ending import Ended, end_chunks
from worker.generation.sheets import conditions_of

_LEASE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Completer:
    """A worker's hands: claims chunks of every model, completes them one at a time or all, fails jobs."""

    engine: Engine
    storage: Storage
    genes: int = 50
    models: tuple[str, ...] = ("gem-1-bulk", "gem-1-sc")
    versions: tuple[int, ...] = (1,)

    def run_all(self) -> int:
        """Complete every queued chunk; returns their number."""
        claimed = self.claim(1000)
        for chunk in claimed:
            self.complete(chunk)
        return len(claimed)

    def claim(self, limit: int) -> Sequence[Chunk]:
        """Own queued chunks, in the order of the queue; their jobs run."""
        with transaction(self.engine) as session:
            models = {model + kind.suffix: self.versions for model in self.models for kind in RequestType}
            waiting = session.scalars(claims.claimable(models, (), limit, Turn())).all()
            leased = session.execute(*claims.lease(waiting, "completer", _LEASE)).all()
            session.execute(*claims.start_jobs({chunk.job_id for chunk in leased}))
            mine = select(Chunk).where(Chunk.id.in_([chunk.id for chunk in leased])).order_by(Chunk.id)
            return session.scalars(mine).all()

    def complete(self, chunk: Chunk, lost: int = 0) -> str:
        """Store a claimed chunk's part, without its last `lost` samples, and record it; returns its key."""
        assert chunk.token is not None
        table = self._part(chunk)
        data = encode_part(table.slice(0, table.num_rows - lost))
        key = part_key(chunk.job_id, chunk.position, chunk.token)
        self.storage.put(key, data)
        part = leases.StoredPart(key, len(data), hashlib.sha256(data).hexdigest(), "cpu")
        with transaction(self.engine) as session:
            session.execute(*leases.complete_chunks([((chunk.id, chunk.token), part, lost)])).one()
            ended = Ended(chunk.job_id, chunk.token, chunk.num_samples - lost, lost, "It was lost.")
            assert end_chunks(session, self.storage, [ended])
        return key

    def fail(self, job_id: UUID, reason: str) -> None:
        """End a job without a result."""
        with transaction(self.engine) as session:
            session.execute(ending.cancel_queued_chunks({job_id}))
            _, number = session.execute(ending.fail_jobs({job_id}, reason)).one()
            session.execute(*save_event(job_id, number, EventKind.FAILED, {"error": reason}))

    def _part(self, chunk: Chunk) -> pa.Table:
        """Samples, or predictions of them: a half of all specimens is female, every second of them."""
        samples = self._samples(chunk)
        with transaction(self.engine) as session:
            kind = RequestType(session.scalars(job_statements.job_by_id(chunk.job_id)).one().request_type)
        if kind is not RequestType.PREDICT_METADATA:
            return FORMS[kind].table(samples)
        female = np.arange(chunk.first_sample, chunk.first_sample + chunk.num_samples) % 2
        sex = np.stack([0.25 + 0.5 * female, 0.75 - 0.5 * female], 1).astype(np.float32)
        return FORMS[kind].table(
            Predictions(
                input_index=samples.input_index,
                probabilities={"sex": sex},
                classes={"sex": ("female", "male")},
                modality="bulk",
                latents=samples.latents,
                counts=samples.counts,
                custom_ids=_names(samples),
            )
        )

    def _samples(self, chunk: Chunk) -> Samples:
        with transaction(self.engine) as session:
            inputs = conditions_of(session, self.storage, chunk)
            (job,) = session.scalars(job_statements.job_by_id(chunk.job_id))
        plan = ChunkPlan(chunk.position, chunk.first_sample, chunk.num_samples)
        runs = list(runs_of_chunk([i.first_sample for i in inputs], [i.num_samples for i in inputs], plan))
        condition_of = np.repeat([run.input_index for run in runs], [run.count for run in runs])
        places = np.arange(chunk.first_sample, chunk.first_sample + chunk.num_samples)
        return Samples(
            input_index=np.array([inputs[index].position for index in condition_of]),
            sample_index=np.concatenate([np.arange(run.first, run.first + run.count) for run in runs]),
            condition_of=condition_of,
            metadata=[
                {**row.metadata, "modality": "bulk", **({CUSTOM_ID: row.custom_id} if job.custom_ids else {})}
                for row in inputs
            ],
            counts=(1000 * places[:, None] + np.arange(self.genes)[None, :]).astype(np.int32),
            latents={
                group: np.full((chunk.num_samples, 2), 0.5, dtype=np.float32) for group in LATENT_GROUPS
            },
        )


def _names(samples: Samples) -> list[str] | None:
    """What the query calls the input of each row; None where it has no names."""
    if CUSTOM_ID not in samples.metadata[0]:
        return None
    return [samples.metadata[place][CUSTOM_ID] for place in samples.condition_of]
