"""What goes into an engine and what leaves it: whole, finite, not negative, of the right shape.

Knows no network.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shared.errors import GenerationError
from shared.queries.fields import LatentGroup

_SUM_TOLERANCE = 1e-5  # some 40 times what float32 rounds off a sum of 1


def check_output(
    counts: NDArray[np.int32], latents: Mapping[str, NDArray[np.float32]], samples: int, genes: int
) -> None:
    """Raise GenerationError unless counts are [samples, genes] whole numbers from 0 up and latents finite."""
    if counts.shape != (samples, genes):
        raise GenerationError(f"The model gave counts of shape {counts.shape}, expected {(samples, genes)}.")
    if not np.issubdtype(counts.dtype, np.integer):
        raise GenerationError(f"The model gave counts of type {counts.dtype}, which are not whole numbers.")
    if counts.size and counts.min() < 0:
        raise GenerationError("The model gave negative counts.")
    for group, values in latents.items():
        if len(values) != samples or not np.isfinite(values).all():
            raise GenerationError(f"The model's {group} latents are not {samples} rows of finite numbers.")


def check_probabilities(probabilities: Mapping[str, NDArray[np.float32]]) -> None:
    """Raise GenerationError unless every field's probabilities [N, K] add up to 1 in each row."""
    for field, values in probabilities.items():
        # Both are false for what is no number.
        if not ((values >= 0).all() and (np.abs(values.sum(axis=1) - 1) < _SUM_TOLERANCE).all()):
            raise GenerationError(f"The model's probabilities of {field} are not shares that add up to 1.")


def check_profiles(counts: NDArray[np.int32], samples: int, genes: int, what: str) -> None:
    """Raise GenerationError unless real samples are [samples, genes] whole numbers from 0 up."""
    if counts.shape != (samples, genes):
        raise GenerationError(
            f"The {what} have counts of shape {counts.shape}, expected {(samples, genes)}: one count for "
            "each gene of the model, in its order."
        )
    if not np.issubdtype(counts.dtype, np.integer) or (counts.size and counts.min() < 0):
        raise GenerationError(f"The counts of the {what} must be whole numbers of 0 or more.")


def check_conditioned(conditioned: NDArray[np.bool_], conditions: int) -> None:
    """Raise GenerationError unless each condition says yes or no to each latent group, [conditions, 3]."""
    expected = (conditions, len(LatentGroup))
    if conditioned.shape != expected or conditioned.dtype != np.bool_:
        raise GenerationError(
            f"What is conditioned came as {conditioned.dtype} of shape {conditioned.shape}, expected bool of "
            f"shape {expected}: one for each latent group, {', '.join(LatentGroup)}."
        )


def check_finite(values: Tensor, what: str) -> None:
    """Raise GenerationError unless all values are finite; a sum is finite only if all of its terms are."""
    if not torch.isfinite(values.sum()):
        raise GenerationError(f"The model gave {what} that are not finite numbers.")
