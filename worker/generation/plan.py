"""From claimed chunks to the arrays that the engine takes, and back to the rows of each part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from shared.queries.spec import Modality, SamplingStrategy
from shared.results.part import Samples
from worker.generation.work import Condition, Work
from worker.inference.engine import Batch, Generated

Integers = NDArray[np.int64]


def plan_batch(works: Sequence[Work]) -> Batch:
    """One batch for all the chunks, in order: a sample's stream is its job's seed and its own place."""
    sizes = [work.num_samples for work in works]
    starts = np.cumsum([0, *(len(work.conditions) for work in works)])
    columns = [_columns(work) for work in works]
    return Batch(
        conditions=tuple(condition.terms for work in works for condition in work.conditions),
        condition_of=np.concatenate(
            [condition_of + start for (condition_of, _, _), start in zip(columns, starts, strict=False)]
        ),
        seed=np.repeat(np.array([work.seed for work in works], np.uint64), sizes),
        input_index=np.concatenate([input_index for _, input_index, _ in columns]),
        sample_index=np.concatenate([sample_index for _, _, sample_index in columns]),
        total_count=np.repeat(np.array([work.total_count for work in works], np.int64), sizes),
        deterministic=np.repeat([work.deterministic_latents for work in works], sizes),
        generation=np.repeat(
            [work.sampling_strategy is SamplingStrategy.SAMPLE_GENERATION for work in works], sizes
        ),
    )


def samples_of(works: Sequence[Work], generated: Generated, modality: Modality) -> Iterator[Samples]:
    """The rows of each chunk's part, in the order of the chunks."""
    first = 0
    for work in works:
        rows = slice(first, first + work.num_samples)
        condition_of, input_index, sample_index = _columns(work)
        yield Samples(
            input_index=input_index,
            sample_index=sample_index,
            condition_of=condition_of,
            metadata=[_row_metadata(condition, modality) for condition in work.conditions],
            counts=generated.counts[rows],
            latents={group: values[rows] for group, values in generated.latents.items()},
        )
        first += work.num_samples


def _columns(work: Work) -> tuple[Integers, Integers, Integers]:
    """For each sample: its condition within the chunk, its input, and its place within the input."""
    counts = [run.count for run in work.runs]
    condition_of = np.repeat(np.array([run.input_index for run in work.runs], np.int64), counts)
    inputs = np.array([condition.input_index for condition in work.conditions], np.int64)
    sample_index = np.concatenate([np.arange(run.first, run.first + run.count) for run in work.runs])
    return condition_of, inputs[condition_of], sample_index.astype(np.int64)


def _row_metadata(condition: Condition, modality: Modality) -> dict[str, str]:
    return {**condition.metadata, "modality": str(modality), "coverage": condition.coverage}
