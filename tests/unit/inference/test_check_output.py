"""What does not fit a model does not enter the engine, and what is not a valid result does not leave it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from shared.errors import GenerationError
from worker.inference.validate import (
    check_conditioned,
    check_finite,
    check_output,
    check_probabilities,
    check_profiles,
)

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


def test_probabilities_that_add_up_pass() -> None:
    check_probabilities({"sex": np.array([[0.25, 0.75], [1, 0]], np.float32), "study": np.ones((0, 3))})


@pytest.mark.parametrize(
    "values",
    [[[0.5, 0.5], [0.5, 0.51]], [[np.nan, 0.5]], [[np.inf, 0]], [[0, -np.inf]], [[1.5, -0.5]]],
)
def test_probabilities_that_are_none_are_refused(values: list[list[float]]) -> None:
    with pytest.raises(GenerationError, match="probabilities of sex"):
        check_probabilities({"sex": np.array(values, np.float32)})


def test_a_profile_of_another_length_is_refused_with_both_shapes() -> None:
    check_profiles(COUNTS, 2, 3, "references")
    with pytest.raises(GenerationError, match=r"references have counts of shape \(2, 3\), expected \(2, 4\)"):
        check_profiles(COUNTS, 2, 4, "references")


@pytest.mark.parametrize("counts", [COUNTS - 1, COUNTS.astype(np.float32)])
def test_a_profile_that_is_not_counts_is_refused(counts: Any) -> None:
    with pytest.raises(GenerationError, match="whole numbers of 0 or more"):
        check_profiles(counts, 2, 3, "specimens")


@pytest.mark.parametrize(
    "conditioned", [np.ones((2, 2), np.bool_), np.ones((1, 3), np.bool_), np.ones((2, 3))]
)
def test_a_choice_of_latents_says_yes_or_no_to_each_group(conditioned: Any) -> None:
    check_conditioned(np.ones((2, 3), np.bool_), 2)
    with pytest.raises(GenerationError, match="biological, technical, perturbation"):
        check_conditioned(conditioned, 2)
