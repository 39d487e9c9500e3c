"""Genes that vary together between replicates: known factors come back, counting noise makes none."""

from __future__ import annotations

import numpy as np

from tests.support.datasets import data_set, replicates
from worker.training.covariance import replicate_groups, shared_loadings
from worker.training.dataset import Dataset

GENES, RANK = 300, 2
LOADINGS = 0.2 * np.random.default_rng(5).normal(size=(RANK, GENES))
PAIRS = np.triu_indices(GENES, 1)


def covariance(loadings: np.ndarray) -> np.ndarray:
    return (loadings.T @ loadings)[PAIRS]


def two_studies(loadings: np.ndarray, own_sd: float, scales: tuple[float, float] = (1.0, 1.0)) -> Dataset:
    """60 samples of each of two conditions, one noisier than the other by `scales`."""
    parts = [replicates(loadings, own_sd, 60, seed, scale) for seed, scale in enumerate(scales)]
    labels = [{"source": f"study {number}"} for number in range(2) for _ in range(60)]
    return data_set(np.concatenate(parts), labels)


def test_the_factors_of_replicates_come_back() -> None:
    data = two_studies(LOADINGS, 0.15)
    found = shared_loadings(data, ~data.held_out, RANK)
    assert np.corrcoef(covariance(found), covariance(LOADINGS))[0, 1] > 0.95


def test_a_noisier_condition_speaks_as_loudly_as_a_quiet_one() -> None:
    """Conditions are brought to one scale: the loadings are in units of the typical gene's spread."""
    data = two_studies(LOADINGS, 0.15, (1.0, 1.6))
    found = shared_loadings(data, ~data.held_out, RANK)
    typical = np.median((LOADINGS**2).sum(axis=0) + 0.15**2)
    assert np.corrcoef(covariance(found), covariance(LOADINGS))[0, 1] > 0.95
    ratio = np.median((found**2).sum(axis=0)) / np.median((LOADINGS**2).sum(axis=0) / typical)
    assert 0.75 < ratio < 1.25


def test_counting_alone_makes_no_factors() -> None:
    data = two_studies(np.zeros((RANK, GENES)), 0.3)
    found = shared_loadings(data, ~data.held_out, RANK)
    assert np.median((found**2).sum(axis=0)) < 0.1


def test_conditions_that_are_mixtures_are_left_out() -> None:
    """Replicates that differ by far more than replicates do would be taken for the covariance of all."""
    wide = 4 * np.random.default_rng(6).normal(size=(RANK, GENES))
    mixed = np.concatenate([replicates(LOADINGS, 0.15, 60, 0), replicates(wide, 0.15, 60, 1)])
    labels = [{"source": f"study {number}"} for number in range(2) for _ in range(60)]
    data = data_set(mixed, labels)
    found = shared_loadings(data, ~data.held_out, RANK)
    assert np.corrcoef(covariance(found), covariance(LOADINGS))[0, 1] > 0.9


def test_too_few_samples_give_no_factors() -> None:
    data = data_set(replicates(LOADINGS, 0.15, 4, 0), [{}] * 4)
    assert not shared_loadings(data, ~data.held_out, RANK).any()


def test_only_training_samples_of_conditions_with_three_replicates_are_compared() -> None:
    labels = [{"source": "a"}] * 4 + [{"source": "b"}] * 2 + [{"source": "c", "kind": "profile"}] * 5
    data = data_set(replicates(LOADINGS, 0.1, len(labels), 0), labels, held_out=(0,))
    groups = [rows.tolist() for rows in replicate_groups(data, ~data.held_out)]
    assert groups == [[1, 2, 3]]
