"""The formulas behind the figures, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from worker.training.evaluation.figures import Figure, correlation, variation_by_count


def test_correlation_is_pearsons_and_zero_without_variation() -> None:
    assert correlation(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.1])) == pytest.approx(
        0.99989, abs=1e-4
    )
    assert correlation(np.ones(3), np.array([1.0, 2.0, 3.0])) == 0.0


def test_poisson_counts_have_no_variation_beyond_poisson() -> None:
    counts = np.random.default_rng(0).poisson(np.tile([50.0, 500.0, 5000.0], 400), size=(60, 1200))
    assert max(variation_by_count(counts)[:3]) < 0.05


def test_variation_is_found_in_the_bin_of_its_genes() -> None:
    random = np.random.default_rng(0)
    rate = np.full((200, 400), 500.0)
    rate[:, :40] = 5000.0 * np.exp(random.normal(0, 0.3, (200, 40)))
    quiet, loud = variation_by_count(random.poisson(rate).astype(float))[1:3]
    assert loud == pytest.approx(0.3, rel=0.15)
    assert quiet < 0.1


def test_a_figure_is_kept_to_four_digits_and_without_what_it_lacks() -> None:
    figure = Figure("Profiles", "r", 0.998765, baseline=0.0)
    assert figure.to_json() == {"group": "Profiles", "name": "r", "value": 0.9988, "baseline": 0.0}
