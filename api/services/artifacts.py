"""Files made of results: asked for once, waited for a while. The upkeep worker makes them."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from starlette.concurrency import run_in_threadpool

from shared.catalog import Offer
from shared.database.engines import async_transaction
from shared.database.queries import artifacts as statements
from shared.database.tables import Artifact, Job
from shared.errors import ArtifactFailed, StoredFileNotFound
from shared.jobs.artifacts import ArtifactKind, ArtifactState
from shared.results.genes import GeneNames, genes_key
from shared.storage.port import Storage

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.4  # seconds
_OVER = {ArtifactState.READY, ArtifactState.FAILED}


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be made of a job's result, of how many samples; the same wish twice is one file."""

    kind: ArtifactKind
    request: Mapping[str, Any]
    samples: int

    @property
    def digest(self) -> str:
        """SHA-256 over kind and request, in hex."""
        text = orjson.dumps([str(self.kind), self.request], option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(text).hexdigest()


async def store_genes(storage: Storage, job: Job, offer: Offer) -> str:
    """Have the names of the genes beside the result, for whoever has no models; returns where.

    Raises StorageUnavailable.
    """
    key = genes_key(job.id, job.weights_digest)
    genes = offer.model.genes
    names = GeneNames([gene.ensembl_id for gene in genes], [gene.symbol for gene in genes])

    def store() -> None:
        try:
            storage.size(key)
        except KeyError:
            storage.put(key, names.encode())

    await run_in_threadpool(store)
    return key


async def ask(session: AsyncSession, job: Job, wish: Wish) -> Artifact:
    """The artifact of a wish, made or to be made. Raises DatabaseUnavailable."""
    await session.execute(statements.ask(job.id, wish.kind, wish.request, wish.digest, wish.samples))
    found = (await session.scalars(statements.by_digest(job.id, wish.digest))).one()
    if found.state == ArtifactState.QUEUED:
        await session.execute(statements.notify())
    return found


async def wait_for(engine: AsyncEngine, artifact: Artifact, longest: timedelta) -> Artifact:
    """The artifact once it is made or failed, or as it is when the time is over.

    Raises StoredFileNotFound if the result was deleted meanwhile, and DatabaseUnavailable.
    """
    deadline, pause = time.monotonic() + longest.total_seconds(), _FIRST_PAUSE
    while artifact.state not in _OVER and time.monotonic() < deadline:
        await asyncio.sleep(min(pause, max(0.0, deadline - time.monotonic())))
        pause = min(pause * 1.5, _LONGEST_PAUSE)
        async with async_transaction(engine) as session:
            artifact = await artifact_of(session, artifact.job_id, artifact.id)
    return artifact


async def artifact_of(session: AsyncSession, job_id: UUID, artifact_id: UUID) -> Artifact:
    """An artifact of a job. Raises StoredFileNotFound."""
    found = (await session.scalars(statements.of_job(job_id, artifact_id))).one_or_none()
    if found is None:
        raise StoredFileNotFound(f"Query {job_id} has no artifact {artifact_id}.")
    return found


async def all_artifacts(session: AsyncSession, job_id: UUID) -> Sequence[Artifact]:
    """Those of a job, the oldest first."""
    return (await session.scalars(statements.all_of_job(job_id))).all()


def require_made(artifact: Artifact) -> bool:
    """Whether it lies in the storage. Raises ArtifactFailed, which says why it never will."""
    if artifact.state == ArtifactState.FAILED:
        raise ArtifactFailed(artifact.error or "It could not be made.")
    return artifact.state == ArtifactState.READY
