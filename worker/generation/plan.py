"""From claimed chunks to the arrays that the engine takes, and back to the rows of each part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from shared.queries.fields import LatentGroup
from shared.queries.spec import Modality, SamplingStrategy
from shared.results.part import CUSTOM_ID, Samples
from worker.generation.conditions import Condition
from worker.generation.work import Work
from worker.inference.batch import Batch, Generated, References

Integers = NDArray[np.int64]
Counts = NDArray[np.int32]


def plan_batch(works: Sequence[Work], references: Sequence[Counts] = ()) -> Batch:
    """One batch for all the chunks, in order: a sample's stream is its job's seed and its own place.

    `references` holds int32 [C, G] for each chunk, a row for each of its conditions; none for baseline work.
    """
    sizes = [work.num_samples for work in works]
    starts = np.cumsum([0, *(len(work.conditions) for work in works)])
    columns = [columns_of(work) for work in works]
    return Batch(
        conditions=tuple(condition.terms for work in works for condition in work.conditions),
        condition_of=np.concatenate(
            [condition_of + start for (condition_of, _, _), start in zip(columns, starts, strict=False)]
        ),
        seed=np.repeat(np.array([work.seed for work in works], np.uint64), sizes),
        input_index=np.concatenate([input_index for _, input_index, _ in columns]),
        sample_index=np.concatenate([sample_index for _, _, sample_index in columns]),
        total_count=np.concatenate(
            [
                library_sizes(work, counts, condition_of)
                for work, counts, (condition_of, _, _) in zip_longest(works, references, columns)
            ]
        ),
        deterministic=np.repeat([work.deterministic_latents for work in works], sizes),
        generation=np.repeat(
            [work.sampling_strategy is SamplingStrategy.SAMPLE_GENERATION for work in works], sizes
        ),
        references=_references(works, references) if references else None,
    )


def library_sizes(work: Work, specimens: Counts | None, rows: Integers) -> Integers:
    """The total count of each row: the query's own, or that of the specimen [C, G] it stands on."""
    if specimens is None or work.fixed_total_count:
        return np.full(len(rows), work.total_count, np.int64)
    sizes: Integers = specimens.sum(1, dtype=np.int64)
    return sizes[rows]


def _references(works: Sequence[Work], references: Sequence[Counts]) -> References:
    chosen = [[group in work.conditioning for group in LatentGroup] for work in works]
    sizes = [len(work.conditions) for work in works]
    return References(np.concatenate(references), np.repeat(np.array(chosen), sizes, axis=0))


def samples_of(works: Sequence[Work], generated: Generated, modality: Modality) -> Iterator[Samples]:
    """The rows of each chunk's part, in the order of the chunks."""
    first = 0
    for work in works:
        rows = slice(first, first + work.num_samples)
        condition_of, input_index, sample_index = columns_of(work)
        yield Samples(
            input_index=input_index,
            sample_index=sample_index,
            condition_of=condition_of,
            metadata=[_row_metadata(work, condition, modality) for condition in work.conditions],
            counts=generated.counts[rows],
            latents={group: values[rows] for group, values in generated.latents.items()},
        )
        first += work.num_samples


def columns_of(work: Work) -> tuple[Integers, Integers, Integers]:
    """For each sample: its condition within the chunk, its input, and its place within the input."""
    counts = [run.count for run in work.runs]
    condition_of = np.repeat(np.array([run.input_index for run in work.runs], np.int64), counts)
    inputs = np.array([condition.input_index for condition in work.conditions], np.int64)
    sample_index = np.concatenate([np.arange(run.first, run.first + run.count) for run in work.runs])
    return condition_of, inputs[condition_of], sample_index.astype(np.int64)


def _row_metadata(work: Work, condition: Condition, modality: Modality) -> dict[str, str]:
    named = {CUSTOM_ID: condition.row.custom_id} if work.custom_ids else {}
    return {**condition.row.metadata, "modality": str(modality), "coverage": condition.coverage, **named}
