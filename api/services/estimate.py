"""How large a query's result will be and how long it will take: from measured curves and recent jobs."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from sqlalchemy.ext.asyncio import AsyncSession

from shared.catalog import Model
from shared.database.queries.load import recent_rates, samples_waiting
from shared.jobs.chunks import plan_chunks
from shared.queries.extent import Extent
from shared.queries.requests import RequestType
from shared.queries.spec import QuerySpec
from shared.results.sizes import ResultShape, json_bytes, stored_bytes

RECENT_JOBS = 20


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a query will cost; `samples_ahead` are those that wait already.

    `seconds` is None where nothing like it ran yet; `seconds_note` says so, or what the seconds stand on.
    """

    rows: int
    chunks: int
    stored_bytes: int
    json_bytes: int
    samples_ahead: int
    seconds: float | None
    seconds_note: str


async def estimate(
    session: AsyncSession, spec: QuerySpec, extent: Extent, model: Model, samples_per_chunk: int
) -> Estimate:
    """What the answer to a checked query will cost. Raises DatabaseUnavailable."""
    shape = shape_of(spec, extent, model, samples_per_chunk)
    statement = recent_rates(spec.model_id, spec.sampling_strategy, RECENT_JOBS)
    rates = [float(rate) for rate in (await session.scalars(statement)).all()]
    jobs = "job" if len(rates) == 1 else f"{len(rates)} jobs"
    return Estimate(
        rows=shape.rows,
        chunks=shape.parts,
        stored_bytes=stored_bytes(shape),
        json_bytes=json_bytes(shape),
        samples_ahead=int((await session.scalars(samples_waiting())).one()),
        seconds=round(shape.rows / median(rates), 3) if rates else None,
        seconds_note=f"From the median rate of the last {jobs} like it, without the wait for a worker."
        if rates
        else f"No query of {spec.model_id} with {spec.sampling_strategy} was answered here yet.",
    )


def shape_of(spec: QuerySpec, extent: Extent, model: Model, samples_per_chunk: int) -> ResultShape:
    """What the result of a query is made of."""
    fields = model.vocabulary.fields.values()
    classes = sum(1 for field in fields for term in field.terms.values() if term.rows)
    common = common_library_size(spec, extent)
    own = (extent.reference_counts or 0) / extent.samples
    recognised = spec.request_type is RequestType.PREDICT_METADATA
    return ResultShape(
        rows=extent.samples,
        parts=sum(1 for _ in plan_chunks(extent.samples, samples_per_chunk)),
        genes=len(model.genes),
        total_count=own if common is None else common,
        latents=sum(model.manifest.latent_sizes.values()),
        probabilities=classes if recognised else 0,
    )


def common_library_size(spec: QuerySpec, extent: Extent) -> int | None:
    """Counts of every sample; None where each has those of its own reference."""
    own = extent.reference_counts is not None and not spec.fixed_total_count
    return None if own else spec.total_count
