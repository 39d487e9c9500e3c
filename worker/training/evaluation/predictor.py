"""A network asked as a user asks it, for evaluation: mean estimates and drawn samples, in plain torch.

The serving engine computes the same in fixed blocks and with a random stream for each sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from shared.queries.fields import LatentGroup
from worker.inference.network import ExpressionNetwork
from worker.inference.reference import carry_over
from worker.training.evaluation.figures import Matrix

Query = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Predictor:
    """Answers queries with matrices of CPM or counts."""

    network: ExpressionNetwork

    @torch.no_grad()
    def mean(self, queries: Sequence[Query]) -> Matrix:
        """[C, G] CPM with deterministic latents."""
        condition = self.network.condition(self.network.tokens(queries))
        log_rate = self.network.decode(condition.latent_mean, condition.factor_shift) + condition.gene_effect
        return np.asarray(torch.softmax(log_rate, 1).numpy() * 1e6)

    @torch.no_grad()
    def samples(self, query: Query, number: int, total_count: float, noise: bool, seed: int = 0) -> Matrix:
        """[number, G] expected counts with drawn latents, or with `noise` generated counts."""
        totals = np.full(number, total_count, np.float32)
        return self.generated([query] * number, totals, seed, noise)

    @torch.no_grad()
    def generated(
        self,
        queries: Sequence[Query],
        totals: NDArray[np.float32],
        seed: int = 0,
        noise: bool = True,
        level: Matrix | None = None,
    ) -> Matrix:
        """[C, G] counts of one sample of each query, at `totals` [C]; without `noise`, expected counts.

        `level` [G] is added to all log rates.
        """
        generator = torch.Generator().manual_seed(seed)
        condition = self.network.condition(self.network.tokens(queries))
        draws = torch.randn(condition.latent_mean.shape, generator=generator)
        latent = condition.latent_mean + condition.latent_sd * draws
        log_rate = self.network.decode(latent, condition.factor_shift) + condition.gene_effect
        if level is not None:
            log_rate = log_rate + torch.from_numpy(level)
        total = torch.from_numpy(totals).unsqueeze(1)
        if not noise:
            return np.asarray((torch.softmax(log_rate, 1) * total).numpy())
        factors = torch.randn(len(queries), self.network.architecture.residual, generator=generator)
        log_rate = log_rate + self.network.residual(factors, condition.residual_scale)
        expected = torch.softmax(log_rate, 1) * total
        draws = torch.randn(expected.shape, generator=generator)
        rate = expected * (condition.noise_sd * draws - condition.noise_sd**2 / 2).exp()
        return np.asarray(torch.poisson(rate, generator=generator).numpy())

    @torch.no_grad()
    def probabilities(self, counts: Matrix) -> Mapping[str, Matrix]:
        """Of each field's classes, [N, classes], for samples [N, G]."""
        found = self.network.classify(self.network.encode(torch.from_numpy(counts)).mean)
        return {name: np.asarray(log.exp().numpy()) for name, log in found.items()}

    @torch.no_grad()
    def reconstruction(self, counts: Matrix) -> Matrix:
        """[N, G] CPM of what the latents of samples [N, G] amount to."""
        log_rate = self.network.decode(self.network.encode(torch.from_numpy(counts)).mean)
        return np.asarray(torch.softmax(log_rate, 1).numpy() * 1e6)

    @torch.no_grad()
    def from_reference(self, counts: Matrix, queries: Sequence[Query]) -> Matrix:
        """[C, G] CPM with deterministic latents, beginning at one sample [G] and all its latents."""
        reference = torch.from_numpy(counts).unsqueeze(0)
        posterior = self.network.encode(reference)
        departure = carry_over(self.network, reference, posterior)
        condition = self.network.condition(self.network.tokens(queries))
        asked = self.network.latent_slices[LatentGroup.PERTURBATION]
        latent = posterior.mean.repeat(len(queries), 1)
        latent[:, asked] = condition.latent_mean[:, asked]
        log_rate = self.network.decode(latent) + condition.gene_effect + departure
        return np.asarray(torch.softmax(log_rate, 1).numpy() * 1e6)
