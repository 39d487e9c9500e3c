"""An output that is not a valid result never leaves the engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from shared.errors import GenerationError
from worker.inference.validate import check_finite, check_output

COUNTS = np.arange(6, dtype=np.int32).reshape(2, 3)
LATENTS = {"biological": np.zeros((2, 4), np.float32)}


def test_a_valid_output_passes() -> None:
    check_output(COUNTS, LATENTS, 2, 3)


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        (COUNTS[:, :2], "shape"),
        (COUNTS[:1], "shape"),
        (COUNTS - 1, "negative"),
        (COUNTS.astype(np.float32), "not whole"),
    ],
)
def test_malformed_counts_are_refused(counts: Any, reason: str) -> None:
    with pytest.raises(GenerationError, match=reason):
        check_output(counts, LATENTS, 2, 3)


@pytest.mark.parametrize("values", [np.full((2, 4), np.nan), np.full((2, 4), np.inf), np.zeros((1, 4))])
def test_malformed_latents_are_refused(values: Any) -> None:
    with pytest.raises(GenerationError, match="technical latents"):
        check_output(COUNTS, {**LATENTS, "technical": values.astype(np.float32)}, 2, 3)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_one_value_that_is_not_finite_is_noticed(value: float) -> None:
    rates = torch.zeros(4, 100)
    check_finite(rates, "expression rates")
    rates[2, 50] = value
    with pytest.raises(GenerationError, match="expression rates that are not finite"):
        check_finite(rates, "expression rates")
