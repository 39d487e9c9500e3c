"""After export: a model's encoder is fitted to its decoder, which stays, and its heads learn to name samples.

What is minimised and how; which samples stands in `specimens`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worker.inference.network import ExpressionNetwork
from worker.training.dataset import Dataset
from worker.training.specimens import SpecimenMaker, Specimens

RECONSTRUCTION_WEIGHT = 40.0  # of the mean squared error of log1p CPM over genes
NAMING_WEIGHT = 1.0  # of the cross-entropy of each field, in nats
GENES_PER_STEP = 4000


@dataclass(frozen=True, slots=True)
class RecognitionPlan:
    """How long to fit encoder and heads of an exported model, on samples of about how many reads."""

    depth: float
    steps: int = 500
    batch_size: int = 48
    encoder_learning_rate: float = 1e-3
    head_learning_rate: float = 1e-2
    seed: int = 0


def fit_recognition(
    network: ExpressionNetwork, data: Dataset, positions: NDArray[np.int64], plan: RecognitionPlan
) -> None:
    """Fit encoder and heads of a model of the genes at `positions`; nothing else of it changes."""
    torch.manual_seed(plan.seed)
    maker = SpecimenMaker(network.requires_grad_(False), data, positions, plan.depth, plan.seed)
    network.encoder.body.requires_grad_(True)
    network.encoder.projection.requires_grad_(True)
    network.heads.requires_grad_(True)
    groups = [{"params": list(part.parameters())} for part in (network.encoder, network.heads)]
    trained = [p for group in groups for p in group["params"] if p.requires_grad]
    optimiser = torch.optim.Adam(groups, lr=plan.encoder_learning_rate, fused=True)
    rates = [plan.encoder_learning_rate, plan.head_learning_rate]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rates, total_steps=plan.steps, pct_start=0.1)
    for _ in range(plan.steps):
        loss = recognition_loss(network, maker.draw(plan.batch_size))
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(trained, 20.0)
        optimiser.step()
        schedule.step()
    network.requires_grad_(False)


def recognition_loss(network: ExpressionNetwork, specimens: Specimens) -> Tensor:
    """Latents that are known, what the sample is of without its noise, and its labels."""
    posterior = network.encode(specimens.counts)
    known = len(specimens.latent)
    deviation = (specimens.latent - posterior.mean[:known]) / posterior.sd[:known]
    placing = (0.5 * deviation.square() + posterior.sd[:known].log()).sum(1).mean()
    genes = torch.randperm(network.num_genes)[:GENES_PER_STEP]
    naming = torch.zeros(())
    for name, log_probability in network.classify(posterior.mean).items():
        target = specimens.classes[name]
        naming = naming - (target * log_probability).sum() / target.sum().clamp(min=1.0)
    reconstruction = _reconstruction(network, posterior.mean, specimens.clean, genes)
    return placing + RECONSTRUCTION_WEIGHT * reconstruction + NAMING_WEIGHT * naming


def _reconstruction(network: ExpressionNetwork, latent: Tensor, clean: Tensor, genes: Tensor) -> Tensor:
    """Mean squared error of log1p CPM, over the genes at S positions, up to the scale of the library."""
    weight, bias = network.output.weight.index_select(0, genes), network.output.bias[genes]
    log_rate = network.factors(latent) @ weight.T + bias
    wanted = clean[:, genes]
    # The decoder's log rates are log shares up to a constant of each sample, which these genes tell.
    offset = torch.logsumexp(wanted, 1, keepdim=True) - torch.logsumexp(log_rate, 1, keepdim=True)
    error = torch.log1p((log_rate + offset).exp() * 1e6) - torch.log1p(wanted.exp() * 1e6)
    return error.square().mean()
