"""What a real sample has of its own beyond what its latents say: how its genes depart from the decoder.

Pure functions of a network and of counts. Which latents a query takes from the sample is not known here.
"""

from __future__ import annotations

import torch
from torch import Tensor

from shared.queries.fields import LatentGroup
from worker.inference.encoder import Posterior
from worker.inference.network import ExpressionNetwork

NEWTON_STEPS = 12  # each nears the mode by about one on the log scale, and squares the error once it is near
COUNTED = 10.0  # expected counts from which on a gene tells how far a sample departs as a whole


def carry_over(
    network: ExpressionNetwork, counts: Tensor, posterior: Posterior, with_perturbation: bool = False
) -> Tensor:
    """How log rates of samples, counts [B, G], depart from their reconstruction, by reliability: [B, G].

    It adds to `decode` of the samples' own latents, so that a prediction begins at the sample and not at its
    like. The reconstruction has no perturbation in it, unless `with_perturbation`: for queries that take the
    perturbation latents from the sample too.

    Each gene's departure d is the mode of its posterior: counts ~ Poisson(expected * exp(d)), d ~ N(0, v). So
    many reads are believed, few are drawn to nothing, and no read is evidence of as little as was expected.
    """
    latent = posterior.mean.clone()
    if not with_perturbation:
        latent[:, network.latent_slices[LatentGroup.PERTURBATION]] = 0.0
    total = counts.sum(1, keepdim=True)
    expected = total * torch.softmax(network.decode(latent), 1) + torch.finfo(counts.dtype).tiny
    variance = network.gene_log_variance.exp() + network.loadings.square().sum(0)
    return _departure(counts, expected, variance * _excess(counts, expected, variance))


def _excess(counts: Tensor, expected: Tensor, variance: Tensor) -> Tensor:
    """[B, 1]: how many times the variance [G] between replicates a sample departs by as a whole; at least 1.

    Another laboratory's sample departs by more than a replicate does, and its genes are then believed more.
    """
    counted = ((expected > COUNTED) | (counts > COUNTED)).to(counts.dtype)
    squared = torch.log((counts + 0.5) / (expected + 0.5)).square() - 1 / (counts + 1)
    usual = (variance * counted).sum(1, keepdim=True).clamp(min=1e-6)
    return ((squared * counted).sum(1, keepdim=True) / usual).clamp(min=1.0)


def _departure(counts: Tensor, expected: Tensor, variance: Tensor) -> Tensor:
    """The root of counts - expected * exp(d) - d / variance, by Newton's method.

    The function falls and is concave, so that steps from the right of the root never pass it.
    """
    departure = torch.log(counts.clamp(min=1e-30) / expected).clamp(min=0.0)
    for _ in range(NEWTON_STEPS):
        rate = expected * departure.exp()
        departure = departure + (counts - rate - departure / variance) / (rate + 1 / variance)
    return departure
