"""q(z | counts): from a sample to a posterior over the latents. For training; not in a checkpoint."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from worker.inference.network import LOG_VARIANCE_RANGE, Architecture

PROJECTION = 128  # dimensions that a sample is projected to first


class Encoder(nn.Module):
    """A diagonal Gaussian over all latents, given log1p CPM [B, G] and which genes were measured [B, G]."""

    def __init__(self, num_genes: int, architecture: Architecture) -> None:
        super().__init__()
        latent = sum(architecture.latent_sizes.values())
        self.projection = nn.Linear(num_genes, PROJECTION, bias=False)
        self.centre = nn.Parameter(torch.zeros(num_genes), requires_grad=False)
        self.body = nn.Sequential(
            nn.LayerNorm(PROJECTION),
            nn.Linear(PROJECTION, architecture.hidden),
            nn.GELU(),
            nn.Linear(architecture.hidden, 2 * latent),
        )

    def forward(self, log1p_cpm: Tensor, measured: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance, [B, D] each."""
        projected = self.projection((log1p_cpm - self.centre) * measured)
        mean, log_variance = self.body(projected).chunk(2, dim=1)
        return mean, log_variance.clamp(*LOG_VARIANCE_RANGE)
