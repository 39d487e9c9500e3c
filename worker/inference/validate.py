"""What a result must be before it leaves the engine: whole, finite, and not negative. Knows no network."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shared.errors import GenerationError


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


def check_finite(values: Tensor, what: str) -> None:
    """Raise GenerationError unless all values are finite; a sum is finite only if all of its terms are."""
    if not torch.isfinite(values.sum()):
        raise GenerationError(f"The model gave {what} that are not finite numbers.")
