"""Many noisy samples from one published average: a profile, real residuals, gene noise and read counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.training.dataset import Dataset

Matrix = NDArray[np.float32]
RESIDUAL_SOURCES = ("airway", "macrophage", "pickrell")  # replicates of one condition, by donor
GROUPING = ["source", "perturbation_ontology_id", "sex", "disease_ontology_id"]
MIXED, RESIDUAL_SCALE, GENE_NOISE = 3, 0.8, 0.12
TYPICAL_READS, SPREAD_OF_READS = 2e7, 0.5
SMALLEST_SHARE = 2e-9  # of a gene in a library; what is silent in a profile is not impossible


@dataclass(frozen=True)
class Replicates:
    """Made-up samples: log1p CPM [K, G] in half precision, reads [K], and the profile that each came from."""

    log1p_cpm: NDArray[np.float16]
    reads: Matrix
    rows: NDArray[np.int64]


def residual_bank(data: Dataset, training: NDArray[np.bool_]) -> Matrix:
    """[K, G]: how the log CPM of real replicates differ from the mean of their condition."""
    log_rate = np.log1p(data.cpm)
    usable = training & data.labels["source"].isin(RESIDUAL_SOURCES).to_numpy()
    residuals = []
    for positions in data.labels[usable].groupby(GROUPING).indices.values():
        rows = np.flatnonzero(usable)[positions]
        if len(rows) > 2:
            unbiased = np.sqrt(len(rows) / (len(rows) - 1))
            residuals.append((log_rate[rows] - log_rate[rows].mean(axis=0)) * unbiased)
    return np.concatenate(residuals).astype(np.float32)


def make_replicates(
    data: Dataset, training: NDArray[np.bool_], copies: int, random: np.random.Generator
) -> Replicates:
    """`copies` samples of every profile."""
    bank = residual_bank(data, training)
    profiles = np.flatnonzero(training & data.is_profile)
    parts = [_copy(data, chunk, bank, random) for _ in range(copies) for chunk in np.array_split(profiles, 4)]
    return Replicates(
        np.concatenate([values for values, _ in parts]),
        np.concatenate([reads for _, reads in parts]),
        np.tile(profiles, copies),
    )


def _copy(
    data: Dataset, rows: NDArray[np.int64], bank: Matrix, random: np.random.Generator
) -> tuple[NDArray[np.float16], Matrix]:
    weights = random.dirichlet(np.ones(MIXED), size=len(rows))
    weights /= np.sqrt((weights**2).sum(axis=1, keepdims=True))  # keeps the variance of one residual
    residual = sum(weights[:, [i]] * bank[random.integers(len(bank), size=len(rows))] for i in range(MIXED))
    noise = random.normal(0.0, GENE_NOISE, (len(rows), bank.shape[1]))
    rate = (
        (data.cpm[rows] / 1e6 + SMALLEST_SHARE)
        * np.exp(RESIDUAL_SCALE * residual + noise)
        * data.measured[rows]
    )
    reads = TYPICAL_READS * np.exp(random.normal(0.0, SPREAD_OF_READS, (len(rows), 1)))
    counts = random.poisson(rate / rate.sum(axis=1, keepdims=True) * reads)
    reads = counts.sum(axis=1, keepdims=True)
    return np.log1p(counts / reads * 1e6).astype(np.float16), reads[:, 0].astype(np.float32)
