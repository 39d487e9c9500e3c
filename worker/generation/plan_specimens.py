"""From claimed chunks of specimens to the arrays that the engine takes, and back to the rows of each part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from shared.queries.spec import Modality
from shared.results.forms import Predictions
from worker.generation.plan import Counts, columns_of, library_sizes
from worker.generation.work import Work
from worker.inference.batch import Recognised, Specimens


def plan_specimens(works: Sequence[Work], counts: Sequence[Counts]) -> Specimens:
    """All the specimens of the chunks, in order, given int32 [C, G] of each: a condition is one specimen."""
    sizes = [len(each) for each in counts]
    totals = [
        library_sizes(work, each, np.arange(len(each))) for work, each in zip(works, counts, strict=True)
    ]
    return Specimens(
        counts=np.concatenate(counts),
        input_index=np.concatenate([columns_of(work)[1] for work in works]),
        seed=np.repeat(np.array([work.seed for work in works], np.uint64), sizes),
        total_count=np.concatenate(totals),
        deterministic=np.repeat([work.deterministic_latents for work in works], sizes),
    )


def predictions_of(
    works: Sequence[Work], recognised: Recognised, modality: Modality
) -> Iterator[Predictions]:
    """The rows of each chunk's part, in the order of the chunks."""
    first = 0
    for work in works:
        rows = slice(first, first + work.num_samples)
        yield Predictions(
            input_index=columns_of(work)[1],
            probabilities={name: values[rows] for name, values in recognised.probabilities.items()},
            classes=recognised.classes,
            modality=str(modality),
            latents={group: values[rows] for group, values in recognised.latents.items()},
            counts=recognised.counts[rows],
            custom_ids=[each.row.custom_id for each in work.conditions] if work.custom_ids else None,
        )
        first = rows.stop
