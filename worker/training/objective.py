"""What a step minimises: Poisson-lognormal likelihoods of sample and published profile, KL, sparsity."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from worker.inference.network import ExpressionNetwork, Tokens
from worker.training.batches import Batch

LIKELIHOOD_WEIGHT = 2000.0  # of the mean over genes, against the KL in nats
SPARSITY_WEIGHT = 200.0  # L1 on gene-level effects
LOG_RATE_RANGE = (-8.0, 13.0)  # of log CPM; keeps the exponential finite in the first steps
SMALLEST_VARIANCE, PROFILE_VARIANCE = 0.01, 0.05


@dataclass(frozen=True, slots=True)
class Loss:
    """The parts of one step's loss, each a scalar."""

    sample: Tensor  # likelihood of the sample, given a draw from the encoder's posterior
    profile: Tensor  # likelihood of the published profile or sample, given the prior's mean
    divergence: Tensor  # KL of posterior and prior
    sparsity: Tensor

    @property
    def total(self) -> Tensor:
        """Their sum."""
        return self.sample + self.profile + self.divergence + self.sparsity


def training_loss(network: ExpressionNetwork, batch: Batch) -> Loss:
    """The loss of one batch."""
    tokens = Tokens(batch.membership)
    prior = network.priors(tokens)
    mean, log_variance = network.encoder(batch.values, batch.measured)
    drawn = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
    effects = network.gene_effects_of(tokens, batch.genes)
    noise = network.gene_log_variance[batch.genes] + network.noise_offset(tokens)
    sample = _likelihood(_log_rates(network, drawn, effects, batch), batch.target, noise.exp(), batch)
    profile_variance = torch.where(batch.from_profile > 0, PROFILE_VARIANCE, noise.exp())
    profile = _likelihood(
        _log_rates(network, prior.mean, effects, batch), batch.clean, profile_variance, batch
    )
    sparsity = sum((weights.abs().mean() for weights in network.gene_effects.values()), torch.zeros(()))
    return Loss(
        sample=LIKELIHOOD_WEIGHT * sample,
        profile=LIKELIHOOD_WEIGHT * profile,
        divergence=_divergence(mean, log_variance, prior.mean, prior.sd),
        sparsity=SPARSITY_WEIGHT * sparsity,
    )


def _log_rates(network: ExpressionNetwork, latent: Tensor, effects: Tensor, batch: Batch) -> Tensor:
    """[B, S] log CPM of the batch's genes only."""
    weight = network.output.weight.index_select(0, batch.genes)
    return network.factors(latent) @ weight.T + network.output.bias[batch.genes] + effects


def _likelihood(log_rate: Tensor, target: Tensor, variance: Tensor, batch: Batch) -> Tensor:
    """Negative log likelihood, mean over measured genes and samples, of log1p CPM.

    By the delta method, the log1p CPM of a Poisson-lognormal count of rate c CPM in N reads has the mean
    log(1 + c) and the variance (variance * c^2 + c * 1e6 / N) / (1 + c)^2.
    """
    rate = log_rate.clamp(*LOG_RATE_RANGE).exp()
    spread = (variance * rate**2 + rate * 1e6 / batch.reads) / (1 + rate) ** 2 + SMALLEST_VARIANCE
    terms = (target - torch.log1p(rate)) ** 2 / spread + torch.log(spread)
    return ((terms * batch.present).sum(1) / batch.present.sum(1)).mean()


def _divergence(mean: Tensor, log_variance: Tensor, prior_mean: Tensor, prior_sd: Tensor) -> Tensor:
    """KL(q || p) of diagonal Gaussians in nats, mean over the batch."""
    prior_variance = prior_sd**2
    ratio = (log_variance.exp() + (mean - prior_mean) ** 2) / prior_variance
    return 0.5 * (prior_variance.log() - log_variance + ratio - 1).sum(1).mean()
