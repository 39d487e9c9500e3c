"""A stored result: its parts in order, each checked against the digest under which it was stored.

What is not whole raises; nobody gets a shorter result than was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import pyarrow as pa
from sqlalchemy.ext.asyncio import AsyncSession

from api.services.catalog import LiveCatalog
from shared.catalog import Offer
from shared.database.queries.jobs import done_chunks, spans_of_inputs
from shared.database.tables import Chunk, Job
from shared.errors import InvalidInput, ResultDamaged, ResultGone, ResultNotReady
from shared.jobs import endings
from shared.jobs.states import FINAL_JOB_STATES, JobState
from shared.results import stored
from shared.results.header import ResultHeader
from shared.results.selection import EVERYTHING, Inputs, Selection
from shared.results.stored import PartRef
from shared.storage.port import Storage


async def parts_of(session: AsyncSession, job: Job) -> tuple[PartRef, ...]:
    """The parts of a result, in order. Raises as `chunks_of` does."""
    return tuple(PartRef.of(chunk) for chunk in await chunks_of(session, job))


async def chunks_of(session: AsyncSession, job: Job, *, partial: bool = False) -> list[Chunk]:
    """The chunks that have parts of a result, in order; where `partial`, also of one that is not ready.

    Raises ResultNotReady, ResultGone, ResultDamaged, DatabaseUnavailable.
    """
    if not (partial and has_part_of_result(job)):
        require_ready(job)
    found = (await session.scalars(done_chunks(job.id))).all()
    chunks = [chunk for chunk in found if chunk.samples_stored != 0]
    # While a job runs there may be more by now than its row said a moment ago.
    whole = job.state in FINAL_JOB_STATES
    if whole and sum(PartRef.of(chunk).num_samples for chunk in chunks) != job.samples_done:
        raise ResultDamaged(
            f"The result of query {job.id} lacks parts; submit it again with seed {job.seed}."
        )
    return chunks


async def chunks_with(
    session: AsyncSession, job: Job, chunks: Sequence[Chunk], inputs: Inputs
) -> list[Chunk]:
    """The chunks that may hold samples of these inputs; all, where no row says which samples those are.

    Raises InvalidInput where there is none.
    """
    if job.sheets:
        return list(chunks)
    statement = spans_of_inputs(job.id, inputs.runs, inputs.custom_ids)
    spans = [(first, first + size) for first, size in await session.execute(statement)]

    def overlaps(chunk: Chunk) -> bool:
        end = chunk.first_sample + chunk.num_samples
        return any(first < end and chunk.first_sample < last for first, last in spans)

    if found := [chunk for chunk in chunks if overlaps(chunk)]:
        return found
    raise InvalidInput(f"inputs: The result has no samples of the inputs {inputs}.")


def require_ready(job: Job) -> None:
    """Raises ResultNotReady for a job without a result, and ResultGone once it was deleted, saying why."""
    if job.state == JobState.READY:
        return
    if job.state == JobState.EXPIRED:
        raise ResultGone(f"The result of query {job.id} is gone: {why_ended(job)}")
    if job.state == JobState.CANCELLED and has_part_of_result(job):
        raise ResultNotReady(
            f"Query {job.id} was cancelled when {job.samples_done} of {job.samples_total} samples were done. "
            "Add ?partial=true to fetch those."
        )
    if job.state in FINAL_JOB_STATES:
        raise ResultNotReady(f"Query {job.id} has no result: {why_ended(job)}")
    raise ResultNotReady(
        f"Query {job.id} is {job.state}: {job.samples_done} of {job.samples_total} samples are done. "
        f"Ask again when GET /api/model-queries/{job.id}/status says ready, or add ?partial=true to fetch "
        "what is done."
    )


def has_part_of_result(job: Job) -> bool:
    """Whether a job that is not ready has samples to read. They are sent to nobody who does not ask so."""
    return job.state in {JobState.RUNNING, JobState.CANCELLED} and job.samples_done > 0


def why_ended(job: Job) -> str:
    """One sentence about a job that ended without a result that can be read."""
    return endings.why_ended(job.state, job.error, deleted=job.deleted_at is not None) or ""


async def header_of(job: Job, models: LiveCatalog) -> ResultHeader:
    """What stands above the samples. The genes are those of the very version that answered, removed or not.

    Raises ResultNotReady where this server never had it: a starter that was replaced in the models folder.
    """
    return header_by(job, await answered_by(job, models))


def header_by(job: Job, offer: Offer) -> ResultHeader:
    """What stands above the samples, given what answered."""
    return ResultHeader(offer.model.gene_order, job.model_id, job.model_version, offer.request_type)


async def answered_by(job: Job, models: LiveCatalog) -> Offer:
    """The version that answered a job. Raises ResultNotReady where this server does not hold it."""
    offer = await models.held(job.model_id, job.model_version)
    if offer is None or offer.model.manifest.weights_digest != job.weights_digest:
        raise ResultNotReady(
            f"Query {job.id} was answered by version {job.model_version} of {job.model_id}, which this "
            f"server does not hold any more. Submit the query again with seed {job.seed}."
        )
    return offer


def open_parts(storage: Storage, parts: Sequence[PartRef]) -> Iterator[pa.Table]:
    """The parts, one at a time; as `begun` says."""
    return begun(lambda: read_parts(storage, parts, EVERYTHING, 0), EVERYTHING)


def read_parts(
    storage: Storage, parts: Sequence[PartRef], selection: Selection, num_genes: int
) -> Iterator[pa.Table]:
    """What is selected of the parts, one at a time."""
    return (selection.of(read_part(storage, part, selection), num_genes) for part in parts)


def begun(opened: Callable[[], Iterator[pa.Table]], selection: Selection) -> Iterator[pa.Table]:
    """The tables that are not empty; the first is read at once: its damage is known before any answer.

    Blocks: for a thread. Raises InvalidInput where nothing is selected, ResultDamaged, StorageUnavailable.
    """
    tables = (table for table in opened() if table.num_rows)
    first = next(tables, None)
    if first is None:
        raise InvalidInput(f"inputs: The result has no samples of the inputs {selection.inputs}.")
    return chain([first], tables)


def read_part(storage: Storage, part: PartRef, selection: Selection = EVERYTHING) -> pa.Table:
    """One part, if it is what was stored. Raises ResultDamaged and StorageUnavailable."""
    return stored.read_part(storage.get, part, selection)
