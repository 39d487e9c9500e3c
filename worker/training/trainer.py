"""The training loop: seeds, steps, optimiser, progress. What is minimised, and on what, stands elsewhere.

One process on a CPU and several on GPUs run the same code; Lightning Fabric knows the difference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn

from shared.queries.vocabulary import Vocabulary
from worker.inference.network import Architecture, ExpressionNetwork
from worker.training.batches import Batch, BatchSampler
from worker.training.conditions import thinner_for
from worker.training.dataset import Dataset, TrainingData
from worker.training.descriptions import descriptions_of
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
    data: TrainingData,
    vocabulary: Vocabulary,
    architecture: Architecture,
    plan: TrainingPlan,
    progress: Progress,
) -> ExpressionNetwork:
    """A network trained on everything that is not held out, on the CPU, without a stop."""
    trainer = Trainer(data, vocabulary, architecture, plan, one_process())
    while trainer.step < plan.steps:
        trainer.advance()
        progress(trainer.step, trainer.loss)
    return trainer.network.eval()


def one_process() -> Fabric:
    """Fabric for one process on the CPU in full precision."""
    return Fabric(accelerator="cpu", devices=1, precision="32-true")


class Trainer:
    """A network on its way; after `step` steps, with the smoothed loss `loss`.

    All that its next steps depend on is `network`, `optimiser`, `schedule`, `random`, torch's own generator
    and the two numbers: `worker.training.state` keeps them.
    """

    def __init__(
        self,
        data: TrainingData,
        vocabulary: Vocabulary,
        architecture: Architecture,
        plan: TrainingPlan,
        fabric: Fabric,
    ) -> None:
        torch.manual_seed(plan.seed)
        torch.set_num_threads(plan.threads)
        torch.set_flush_denormal(True)
        self.plan, self.fabric = plan, fabric
        self.step, self.loss = 0, float("nan")
        self.random = np.random.default_rng(plan.seed)
        self.network = _start(data, vocabulary, architecture)
        self._sampler = _sampler(data, self.network, plan, self.random)
        self._parameters = [p for p in self.network.parameters() if p.requires_grad]
        self.optimiser = _optimiser(self.network, plan)
        rates = [plan.learning_rate, plan.gene_level_learning_rate]
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, rates, total_steps=plan.steps, pct_start=0.1
        )
        self._objective, self._stepping = fabric.setup(_Objective(self.network), self.optimiser)
        self._part_ways(fabric.global_rank)

    def advance(self) -> None:
        """One step of the optimiser, on a batch of its own for every process."""
        batch = self._sampler.draw(self.plan.batch_size)
        tensors = {each.name: getattr(batch, each.name) for each in fields(batch)}
        loss = self._objective(**self.fabric.to_device(tensors))
        self._stepping.zero_grad()
        self.fabric.backward(loss)
        nn.utils.clip_grad_norm_(self._parameters, self.plan.largest_gradient)
        self._stepping.step()
        self.schedule.step()
        value = loss.item()
        self.loss = value if self.step == 0 else 0.98 * self.loss + 0.02 * value
        self.step += 1

    def _part_ways(self, rank: int) -> None:
        """Processes start from the same network and draw different samples from here on."""
        if rank:
            torch.manual_seed(self.plan.seed + rank)
            self.random.bit_generator.state = np.random.default_rng(
                (self.plan.seed, rank)
            ).bit_generator.state


class _Objective(nn.Module):
    """The loss as a module, for libraries that wrap what they find behind `forward`."""

    def __init__(self, network: ExpressionNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, **batch: Tensor) -> Tensor:
        """The loss of one batch, given its tensors by name."""
        return training_loss(self.network, Batch(**batch)).total


def _start(data: TrainingData, vocabulary: Vocabulary, architecture: Architecture) -> ExpressionNetwork:
    """A network that begins at the data's mean and their main directions."""
    network = ExpressionNetwork(vocabulary, len(data.genes), architecture)
    mark_compatible(network, data.labels[~data.held_out])
    part = data.in_memory()
    training = ~part.held_out
    start_from_data(network, part.cpm[training], part.measured[training], _study_weights(part, training))
    return network


def _sampler(
    data: TrainingData, network: ExpressionNetwork, plan: TrainingPlan, random: np.random.Generator
) -> BatchSampler:
    training = ~data.held_out
    thinner = thinner_for(data, network.vocabulary, random)
    descriptions = descriptions_of(data.labels, thinner, network, plan.descriptions)
    replicates = None
    if data.is_profile.any():
        replicates = make_replicates(data.in_memory(), training, plan.copies_of_profiles, random)
    return BatchSampler(data, training, replicates, descriptions, random)


def _optimiser(network: ExpressionNetwork, plan: TrainingPlan) -> torch.optim.Optimizer:
    """Adam; a gene-level effect is seen in few samples, and has a long way to go: XIST is on or off."""
    gene_level = list(network.gene_effects.parameters())
    trained = [p for p in network.parameters() if p.requires_grad]
    others = [p for p in trained if all(p is not effect for effect in gene_level)]
    groups = [{"params": others}, {"params": gene_level}]
    return torch.optim.Adam(groups, lr=plan.learning_rate, fused=True)


def _study_weights(data: Dataset, training: NDArray[np.bool_]) -> NDArray[np.float32]:
    """One over the root of the number of samples of the same stratum, for the training samples."""
    strata = data.strata[training]
    counts = strata.map(strata.value_counts()).to_numpy(dtype=np.float32)
    return np.reciprocal(np.sqrt(counts))
