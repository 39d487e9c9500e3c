"""Rows that were computed in two steps, as if they had been computed in one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from shared.results.forms import Predictions, Rows
from shared.results.part import Samples


def join(first: Rows, second: Rows) -> Rows:
    """The rows of two, of the same kind and model, in this order."""
    if isinstance(first, Samples) and isinstance(second, Samples):
        return Samples(
            input_index=np.concatenate([first.input_index, second.input_index]),
            sample_index=np.concatenate([first.sample_index, second.sample_index]),
            condition_of=np.concatenate([first.condition_of, second.condition_of + len(first.metadata)]),
            metadata=[*first.metadata, *second.metadata],
            counts=np.concatenate([first.counts, second.counts]),
            latents=_by_name(first.latents, second.latents),
        )
    if isinstance(first, Predictions) and isinstance(second, Predictions):
        return Predictions(
            input_index=np.concatenate([first.input_index, second.input_index]),
            probabilities=_by_name(first.probabilities, second.probabilities),
            classes=first.classes,
            modality=first.modality,
            latents=_by_name(first.latents, second.latents),
            counts=np.concatenate([first.counts, second.counts]),
            custom_ids=None if first.custom_ids is None else [*first.custom_ids, *(second.custom_ids or ())],
        )
    raise AssertionError("rows of two kinds do not belong to one part")


def _by_name(
    first: Mapping[str, NDArray[np.float32]], second: Mapping[str, NDArray[np.float32]]
) -> dict[str, NDArray[np.float32]]:
    return {name: np.concatenate([values, second[name]]) for name, values in first.items()}
