"""After training, in closed form: how far replicates of a condition lie apart, how high a gene can go.

What is seen between replicates is split: the latents', what genes share beyond them, each gene's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from worker.inference.network import ExpressionNetwork
from worker.training.conditions import labels_of
from worker.training.covariance import SMALLEST_COUNT, replicate_groups, shared_loadings
from worker.training.dataset import Dataset
from worker.training.initialise import PSEUDO_CPM

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
DRAWS = 48  # of the latents, for the variance that they cause
LATENT_SHARE = 0.4  # of the variance between replicates; the rest is shared in other ways, or a gene's own
SMALLEST_OWN_SHARE = 0.1  # of a gene's variance; where latents and loadings say more, the loadings give way
PRIOR_REPLICATES = 10.0  # weight of the genes of the same level in each gene's own noise
LEVELS = 12  # of expression, for what is typical of a level
SMALLEST_NOISE, LARGEST_NOISE = 0.002, 1.0  # variance of a log rate
SHRINKAGE = 0.8  # of the offsets of studies and sample types, which rest on few groups
HEADROOM = 0.22  # log; a quarter above the highest level ever seen


@dataclass(frozen=True, slots=True)
class Spread:
    """Variance of log rates between replicates of one condition, by gene; NaN where reads were too few."""

    label: pd.Series
    replicates: int
    observed: Vector  # without the Poisson part
    latent: Vector  # what drawing the latents causes


def calibrate(network: ExpressionNetwork, data: Dataset) -> None:
    """Set ceiling, latent scale, loadings, noise offsets and gene noise of a trained network from samples.

    Without replicates the spread stays as it was trained.
    """
    training = ~data.held_out
    seen = np.where(data.measured[training], data.cpm[training], 0.0).max(axis=0)
    spreads = [_spread(network, data, rows) for rows in replicate_groups(data, training)]
    loadings = shared_loadings(data, training, network.architecture.residual).astype(float)
    with torch.no_grad():
        network.ceiling.copy_(torch.from_numpy(np.log(seen + PSEUDO_CPM).astype(np.float32)) + HEADROOM)
        if spreads:
            _fit_spread(network, spreads, loadings)


def _spread(network: ExpressionNetwork, data: Dataset, rows: NDArray[np.int64]) -> Spread:
    """The spread of one condition."""
    counts = data.cpm[rows].mean(axis=0) * data.depth[rows].mean() / 1e6
    enough = counts > SMALLEST_COUNT
    log_rate = np.log(data.cpm[rows] + PSEUDO_CPM)
    observed = log_rate.var(axis=0, ddof=1) - 1 / np.maximum(counts, 1.0)
    label = data.labels.iloc[rows[0]]
    latent = _latent_variance(network, label)
    return Spread(label, len(rows), np.where(enough, observed, np.nan), np.where(enough, latent, np.nan))


@torch.no_grad()
def _latent_variance(network: ExpressionNetwork, label: pd.Series) -> Vector:
    """Variance of the log share of each gene over draws from the prior of one condition."""
    prior = network.priors(network.tokens([labels_of(label)]))
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(DRAWS, prior.mean.shape[1], generator=generator)
    log_share = torch.log_softmax(network.decode(prior.mean + prior.sd * noise), dim=1)
    variance: Vector = log_share.var(dim=0).double().numpy()
    return variance


def _fit_spread(network: ExpressionNetwork, spreads: list[Spread], loadings: Matrix) -> None:
    """Observed variance = exp(offset of study and sample type) * (scale^2 * latent + shared + gene noise).

    `loadings` [K, G] are in units where the typical gene's variance is 1.
    """
    typical = np.array([np.nanmedian(spread.observed) for spread in spreads])
    latent = np.array([np.nanmedian(spread.latent) for spread in spreads])
    baseline = np.exp(np.log(typical).mean())
    scale = LATENT_SHARE * baseline / np.exp(np.log(latent).mean())
    level = network.output.bias.double().numpy()
    beyond = _gene_noise(spreads, typical / baseline, scale, level)
    loadings = loadings * np.sqrt(baseline)
    shared = (loadings**2).sum(axis=0)
    most = (1 - SMALLEST_OWN_SHARE) * beyond
    loadings *= np.sqrt(np.minimum(1.0, most / np.maximum(shared, 1e-9)))
    noise = np.clip(beyond - np.minimum(shared, most), SMALLEST_NOISE, LARGEST_NOISE)
    modelled = np.array([np.nanmedian(scale * spread.latent + beyond) for spread in spreads])
    _fit_offsets(network, spreads, np.log(typical / modelled))
    network.latent_log_scale.fill_(0.5 * np.log(scale))
    network.loadings.copy_(torch.from_numpy(loadings.astype(np.float32)))
    network.gene_log_variance.copy_(torch.from_numpy(np.log(noise).astype(np.float32)))


def _fit_offsets(network: ExpressionNetwork, spreads: list[Spread], excess: Vector) -> None:
    """Split each condition's excess of log variance into what its sample type and its study add.

    A sample type of a single study adds nothing: all of the excess is the study's.
    """
    labels = pd.DataFrame([spread.label for spread in spreads]).reset_index(drop=True)
    fitted = np.zeros(len(spreads))
    for name, offsets in network.noise_offsets.items():
        remaining = pd.Series(SHRINKAGE * (excess - fitted))
        means = remaining.groupby(labels[name]).mean()
        if name != "study":
            means = means[labels.groupby(name)["study"].nunique() > 1]
        offsets.zero_()
        index = network.vocabulary.field(name).index
        for term, value in means[means.index.isin(index)].items():
            offsets[index[str(term)]] = float(value)
        fitted = fitted + labels[name].map(means).fillna(0.0).to_numpy(dtype=float)


def _gene_noise(spreads: list[Spread], factors: Vector, scale: float, level: Vector) -> Vector:
    """Each gene's variance beyond the latents, pooled, and drawn to what is typical of its level."""
    own = np.array(
        [s.observed / factor - scale * s.latent for s, factor in zip(spreads, factors, strict=True)]
    )
    freedom = np.array([s.replicates - 1.0 for s in spreads])[:, None] * ~np.isnan(own)
    total = freedom.sum(axis=0)
    pooled = np.where(total > 0, np.nansum(own * freedom, axis=0) / np.maximum(total, 1.0), np.nan)
    typical = _typical_of_level(pooled, level)
    shrunk: Vector = (np.nan_to_num(pooled) * total + typical * PRIOR_REPLICATES) / (total + PRIOR_REPLICATES)
    return np.clip(shrunk, SMALLEST_NOISE, LARGEST_NOISE)


def _typical_of_level(variance: Vector, level: Vector) -> Vector:
    """The median variance of genes of about the same level; of the lowest measured, for those below."""
    known = np.flatnonzero(~np.isnan(variance))
    edges = np.quantile(level[known], np.linspace(0, 1, LEVELS + 1))[1:-1]
    medians = np.array(
        [np.median(variance[known][np.digitize(level[known], edges) == i]) for i in range(LEVELS)]
    )
    typical: Vector = medians[np.digitize(level, edges)]
    return typical
