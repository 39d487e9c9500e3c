"""Genes that vary together between replicates: loadings of a few factors, by factor analysis.

Residuals of log rates within each condition, in units of the condition's typical spread, are explained by
factors that all conditions share, each gene's own noise, and the Poisson noise of counting, which is known.
Knows no network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.training.dataset import Dataset

Matrix = NDArray[np.float32]
Vector = NDArray[np.float64]
GROUPING = ["source", "perturbation_ontology_id", "sex", "disease_ontology_id"]
SMALLEST_GROUP = 3  # replicates
SMALLEST_COUNT = 10.0  # mean reads of a gene; below, Poisson noise hides the rest
HALF_A_READ = 0.5  # added before the logarithm
ROUNDS = 20  # of expectation and maximisation
PRIOR_SAMPLES = 5.0  # weight of "no loading" in each gene's loadings
WIDELY_MEASURED = 0.6  # share of conditions that measure a gene on which the factors start
LARGEST_SPREAD = 0.25  # variance of the typical log rate between replicates
SMALLEST_VARIANCE, SMALLEST_OWN = 0.02, 0.02  # of a gene, in units of the typical one; of its own noise in it


@dataclass(frozen=True, slots=True)
class Residuals:
    """Replicates of one condition, n by genes: departures from their mean in units of their typical spread.

    `poisson` [G] is the variance of counting in these units, `enough` [G] is 1 where there were reads enough.
    """

    values: Matrix
    poisson: Matrix
    enough: Matrix

    @property
    def freedom(self) -> int:
        """How many independent samples they are worth."""
        return len(self.values) - 1


def replicate_groups(data: Dataset, training: NDArray[np.bool_]) -> Iterator[NDArray[np.int64]]:
    """The samples of every condition with enough replicates."""
    counted = np.flatnonzero(training & ~data.is_profile)
    for positions in data.labels.iloc[counted].groupby(GROUPING).indices.values():
        if len(positions) >= SMALLEST_GROUP:
            yield counted[positions]


def shared_loadings(data: Dataset, training: NDArray[np.bool_], rank: int) -> Matrix:
    """[rank, G]: by how much each factor moves each gene's log rate, where the typical gene's variance is 1.

    Zero where there are not at least twice as many samples as factors.
    """
    found = [_residuals(data, rows) for rows in replicate_groups(data, training)]
    groups = [group for group in found if group is not None]
    if sum(group.freedom for group in groups) < 2 * rank:
        return np.zeros((rank, data.table.n_vars), np.float32)
    variance = _variance(groups)
    loadings = _start(groups, variance, rank)
    own = np.clip(variance - (loadings**2).sum(axis=0), 0.1 * variance, None)
    for _ in range(ROUNDS):
        loadings, own = _improved(groups, variance, loadings, own)
    return loadings


def _residuals(data: Dataset, rows: NDArray[np.int64]) -> Residuals | None:
    """None where replicates lie so far apart that they must be mixtures of cells rather than replicates."""
    counts = data.cpm[rows] * (data.depth[rows, None] / 1e6)
    mean = counts.mean(axis=0)
    enough = data.measured[rows].all(axis=0) & (mean > SMALLEST_COUNT)
    log_rate = np.log((counts + HALF_A_READ) / counts.sum(axis=1, keepdims=True))
    residual = (log_rate - log_rate.mean(axis=0)) * np.sqrt(len(rows) / (len(rows) - 1)) * enough
    poisson = 1 / np.maximum(mean, 1.0)
    spread = np.median(np.clip((residual**2).mean(axis=0) - poisson, 1e-4, None)[enough])
    if spread > LARGEST_SPREAD:
        return None
    scaled = (residual / np.sqrt(spread)).astype(np.float32)
    return Residuals(scaled, (poisson / spread).astype(np.float32), enough.astype(np.float32))


def _samples(groups: Sequence[Residuals]) -> Matrix:
    """[G]: how many independent samples measured each gene."""
    samples: Matrix = np.sum([group.freedom * group.enough for group in groups], axis=0)
    return samples


def _variance(groups: Sequence[Residuals]) -> Matrix:
    """[G]: each gene's variance beyond counting, pooled over conditions."""
    total = np.sum(
        [((group.values**2).mean(axis=0) - group.poisson) * group.freedom * group.enough for group in groups],
        axis=0,
    )
    variance: Matrix = np.clip(total / np.maximum(_samples(groups), 1.0), SMALLEST_VARIANCE, None)
    return variance.astype(np.float32)


def _start(groups: Sequence[Residuals], variance: Matrix, rank: int) -> Matrix:
    """[rank, G]: singular vectors of the genes that most conditions measured; the others regress on them."""
    values = np.concatenate([group.values for group in groups])
    common = np.mean([group.enough for group in groups], axis=0) > WIDELY_MEASURED
    left, _, _ = np.linalg.svd(values[:, common] / np.sqrt(variance[common]), full_matrices=False)
    factors = left[:, :rank] * np.sqrt(len(values))
    loadings = factors.T @ values / np.maximum(_samples(groups), PRIOR_SAMPLES)
    start: Matrix = (0.8 * loadings).astype(np.float32)
    return start


def _improved(
    groups: Sequence[Residuals], variance: Matrix, loadings: Matrix, own: Matrix
) -> tuple[Matrix, Matrix]:
    """One round of expectation and maximisation of factor analysis with known Poisson noise.

    Rubin and Thayer, Psychometrika 47 (1982) 69, with each gene weighted by its precision in each condition;
    the factors' own covariance goes into the loadings (Liu, Rubin and Wu, Biometrika 85 (1998) 755), which
    would take hundreds of rounds to find their scale otherwise.
    """
    rank, genes = loadings.shape
    spread = np.zeros((rank, rank))
    moments, products, left = (
        np.zeros((genes, rank, rank), np.float32),
        np.zeros_like(loadings),
        np.zeros(genes),
    )
    for group in groups:
        precision = group.enough / (own + group.poisson)
        uncertain = np.linalg.inv(np.eye(rank) + (loadings * precision) @ loadings.T).astype(np.float32)
        factors = (group.values * precision) @ loadings.T @ uncertain
        share = group.freedom / len(group.values)
        second = factors.T @ factors + len(group.values) * uncertain
        spread += share * second
        moments += (share * precision)[:, None, None] * second
        products += share * (factors.T @ group.values) * precision
        unexplained = ((group.values - factors @ loadings) ** 2).sum(axis=0)
        unexplained += len(group.values) * ((uncertain @ loadings) * loadings).sum(axis=0)
        left += group.enough * (share * unexplained - group.freedom * group.poisson)
    prior = PRIOR_SAMPLES * np.eye(rank, dtype=np.float32) / variance[:, None, None]
    loadings = np.linalg.solve(moments + prior, products.T[..., None])[..., 0].T
    expansion = np.linalg.cholesky(spread / sum(group.freedom for group in groups)).T
    loadings = (expansion @ loadings).astype(np.float32)
    samples = _samples(groups)
    typical = np.median((left / np.maximum(samples, 1.0) / variance)[samples > 0])
    pooled = (left + PRIOR_SAMPLES * typical * variance) / (samples + PRIOR_SAMPLES)
    return loadings, np.clip(pooled, SMALLEST_OWN * variance, None).astype(np.float32)
