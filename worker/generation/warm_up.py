"""The first batch of a process pays for imports, buffers and threads; this pays before anybody waits."""

from __future__ import annotations

from uuid import UUID

from shared.jobs.chunks import Run
from shared.queries.spec import SamplingStrategy
from shared.results.part import encode_part, part_table
from worker.generation.plan import plan_batch, samples_of
from worker.generation.work import Condition, Work
from worker.inference.engine import Engine

_SAMPLES = 64
_NOBODY = UUID(int=0)


def warm_up(engine: Engine) -> None:
    """Compute and encode some samples of no particular condition, and forget them.

    Raises GenerationError if the model gives no valid result: such a worker must not claim anything.
    """
    manifest = engine.model.manifest
    for strategy in manifest.sampling_strategies:
        work = _work(manifest.model_id, manifest.default_total_count, strategy)
        generated = engine.generate(plan_batch([work]))
        for samples in samples_of([work], generated, manifest.modality):
            encode_part(part_table(samples))


def _work(model_id: str, total_count: int, strategy: SamplingStrategy) -> Work:
    return Work(
        chunk_id=0,
        token=0,
        job_id=_NOBODY,
        position=0,
        attempt=1,
        model_id=model_id,
        num_samples=_SAMPLES,
        sampling_strategy=strategy,
        total_count=total_count,
        deterministic_latents=False,
        seed=0,
        conditions=(Condition(0, {}, {}, ""),),
        runs=(Run(0, 0, _SAMPLES),),
    )
