"""A network asked as a user asks it, for evaluation: mean estimates and drawn samples, in plain torch.

The serving engine computes the same in fixed blocks and with a random stream for each sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from worker.inference.network import ExpressionNetwork
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
        log_rate = self.network.decode(condition.latent_mean) + condition.gene_effect
        return np.asarray(torch.softmax(log_rate, 1).numpy() * 1e6)

    @torch.no_grad()
    def samples(self, query: Query, number: int, total_count: float, noise: bool, seed: int = 0) -> Matrix:
        """[number, G] expected counts with drawn latents, or with `noise` generated counts."""
        generator = torch.Generator().manual_seed(seed)
        condition = self.network.condition(self.network.tokens([query]))
        draws = torch.randn(number, condition.latent_mean.shape[1], generator=generator)
        latent = condition.latent_mean + condition.latent_sd * draws
        share = torch.softmax(self.network.decode(latent) + condition.gene_effect, 1)
        if not noise:
            return np.asarray((share * total_count).numpy())
        draws = torch.randn(share.shape, generator=generator)
        rate = share * total_count * (condition.noise_sd * draws - condition.noise_sd**2 / 2).exp()
        return np.asarray(torch.poisson(rate, generator=generator).numpy())
