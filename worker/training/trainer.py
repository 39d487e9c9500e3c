"""The training loop: seeds, steps, optimiser, progress. What is minimised, and on what, stands elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from shared.queries.vocabulary import Vocabulary
from worker.inference.network import Architecture, ExpressionNetwork
from worker.training.batches import BatchSampler
from worker.training.conditions import LabelThinner
from worker.training.dataset import Dataset
from worker.training.encoder import Encoder
from worker.training.initialise import mark_compatible, start_from_data
from worker.training.objective import training_loss
from worker.training.replicates import make_replicates


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """How long and how hard to train. Two runs of one plan on one machine give the same network."""

    steps: int = 6500
    batch_size: int = 48
    learning_rate: float = 2e-3
    gene_level_learning_rate: float = 6e-3
    seed: int = 0
    threads: int = 2
    copies_of_profiles: int = 8
    descriptions: int = 48  # of each sample
    largest_gradient: float = 50.0


Progress = Callable[[int, float], None]  # step and smoothed loss


def train(
    data: Dataset, vocabulary: Vocabulary, architecture: Architecture, plan: TrainingPlan, progress: Progress
) -> ExpressionNetwork:
    """A network trained on everything that is not held out."""
    torch.manual_seed(plan.seed)
    torch.set_num_threads(plan.threads)
    torch.set_flush_denormal(True)
    random = np.random.default_rng(plan.seed)
    training = ~data.held_out
    network = ExpressionNetwork(vocabulary, data.table.n_vars, architecture)
    encoder = Encoder(data.table.n_vars, architecture)
    weights = _study_weights(data, training)
    mark_compatible(network, data.labels[training])
    start_from_data(network, encoder, data.cpm[training], data.measured[training], weights)
    variants = LabelThinner(data.labels, vocabulary, random).variants(network, plan.descriptions)
    replicates = make_replicates(data, training, plan.copies_of_profiles, random)
    sampler = BatchSampler(data, training, replicates, variants, random)
    _run(network, encoder, sampler, plan, progress)
    return network.eval()


def _run(
    network: ExpressionNetwork,
    encoder: Encoder,
    sampler: BatchSampler,
    plan: TrainingPlan,
    progress: Progress,
) -> None:
    parameters = [p for p in (*network.parameters(), *encoder.parameters()) if p.requires_grad]
    # A gene-level effect is seen in few samples and few steps, and has a long way to go: XIST is on or off.
    gene_level = list(network.gene_effects.parameters())
    others = [p for p in parameters if all(p is not effect for effect in gene_level)]
    rates = [plan.learning_rate, plan.gene_level_learning_rate]
    groups = [{"params": others}, {"params": gene_level}]
    optimiser = torch.optim.Adam(groups, lr=plan.learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rates, total_steps=plan.steps, pct_start=0.1)
    smoothed = float("nan")
    for step in range(plan.steps):
        loss = training_loss(network, encoder, sampler.draw(plan.batch_size)).total
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(parameters, plan.largest_gradient)
        optimiser.step()
        schedule.step()
        smoothed = loss.item() if step == 0 else 0.98 * smoothed + 0.02 * loss.item()
        progress(step + 1, smoothed)


def _study_weights(data: Dataset, training: NDArray[np.bool_]) -> NDArray[np.float32]:
    """One over the root of the number of samples of the same source, for the training samples."""
    sources = data.labels["source"][training]
    counts = sources.map(sources.value_counts()).to_numpy(dtype=np.float32)
    return np.reciprocal(np.sqrt(counts))
