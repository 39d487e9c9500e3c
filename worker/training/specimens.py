"""What an encoder learns to recognise: trained samples and the model's own, as other laboratories see them.

Each is made noisy as replicates are, bent gene by gene as another pipeline would, and counted at the depth of
the model's modality. Knows no loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from worker.inference.encoder import ABSENT, MAY_BE_ABSENT
from worker.inference.network import ExpressionNetwork
from worker.training.conditions import Condition, labels_of
from worker.training.dataset import Dataset
from worker.training.samples import LABEL_FIELDS

Matrix = NDArray[np.float32]
OWN_SHARE = 0.5  # of specimens; drawn from the model, with known latents
DEPTH_SPREAD = 0.7  # sd of the log of the reads
# A pipeline bends each gene's log rate by so much (sd), and stretches the distance between high and low.
PIPELINE_SD, STRETCH_SD = 0.6, 0.1
STYLE = 1.5  # at most so many times the difference between two sources, which few samples show in full
FAITHFUL = 0.2  # share of specimens that no pipeline bends
CODING_ONLY = 0.4  # share of specimens whose non-coding genes were not counted
TREATED = 4.0  # times an untreated sample; there are few
DEEP = 1e6  # reads, from which the noise of counting is lost in log1p CPM
FEWEST_KINDS = 4  # of samples, from which a source's style can be told from their biology
DECIDING_FIELDS = (
    "cell_line_ontology_id",
    "cell_type_ontology_id",
    "disease_ontology_id",
    "tissue_ontology_id",
)
SMALLEST_SHARE = 2e-9  # of a gene in a library; what is silent in a profile is not impossible


@dataclass(frozen=True, slots=True)
class Specimens:
    """B samples. `counts` [B, G]; `clean` [B, G] is the log share of what they are samples of.

    `latent` [L, D] is known for the first L, drawn from the model. `classes` {field: [B, classes]} sums to 1
    in a row where the field is labelled, and to 0 elsewhere.
    """

    counts: Tensor
    clean: Tensor
    latent: Tensor
    classes: Mapping[str, Tensor]


class SpecimenMaker:
    """Draws specimens of the training samples' conditions, for a model of the genes at `positions`."""

    def __init__(
        self, network: ExpressionNetwork, data: Dataset, positions: NDArray[np.int64], depth: float, seed: int
    ) -> None:
        self._network, self._depth = network, depth
        self._generator = torch.Generator().manual_seed(seed)
        rows = np.flatnonzero(~data.held_out)
        labels = [labels_of(row) for _, row in data.labels.iloc[rows].iterrows()]
        profile = data.is_profile[rows]
        houses, _ = pd.factorize(data.labels["source"].iloc[rows])
        both = [row for row, label in enumerate(labels) if profile[row] and "sex" not in label]
        sexed = [dict(labels[row]) | {"sex": (sex,)} for sex in ("female", "male") for row in both]
        conditions = [_known(network, label) for label in (*labels, *sexed)]
        self._classes = {name: _targets(network, name, conditions) for name in network.heads.classes}
        self._condition = network.condition(network.tokens(conditions))
        weights = _balanced(data, rows)
        self._seen = torch.from_numpy(weights)
        self._own = torch.from_numpy(np.concatenate([weights, np.tile(weights[both], 2)]))
        self._house = torch.from_numpy(np.concatenate([houses, np.tile(houses[both], 2)]))
        self._shares = self._filled(data, rows, positions)
        coding = np.array(data.genes["biotype"].iloc[positions] == "protein_coding")
        self._coding = torch.from_numpy(coding)
        self._styles = torch.from_numpy(_styles(self._shares.numpy(), houses, data.labels.iloc[rows]))

    @torch.no_grad()
    def draw(self, size: int) -> Specimens:
        """`size` specimens, the model's own first."""
        number = int(size * OWN_SHARE)
        own = torch.multinomial(self._own, number, replacement=True, generator=self._generator)
        seen = torch.multinomial(self._seen, size - number, replacement=True, generator=self._generator)
        condition = self._condition
        latent = condition.latent_mean[own]
        latent = latent + condition.latent_sd[own] * self._normal(*latent.shape)
        decoded = self._network.decode(latent, condition.factor_shift[own]) + condition.gene_effect[own]
        clean = torch.cat([torch.log_softmax(decoded, 1), self._shares[seen]])
        rows = torch.cat([own, seen])
        classes = {name: values[rows] for name, values in self._classes.items()}
        return Specimens(self._count(self._bent(clean, rows)), clean, latent, classes)

    def _bent(self, clean: Tensor, rows: Tensor) -> Tensor:
        """Log shares [B, G] as replicates differ, and as another pipeline sees them.

        The other pipeline has the style of another source, or of the sample's own, and a taste of its own.
        """
        condition, number = self._condition, len(rows)
        strength = self._uniform(number) * (self._uniform(number) > FAITHFUL)
        factors = self._normal(number, self._network.architecture.residual)
        bent = clean * (1 + STRETCH_SD * strength * self._normal(number, 1))
        bent += (factors * condition.residual_scale[rows]) @ self._network.loadings
        sd = (condition.noise_sd[rows].square() + (PIPELINE_SD * strength).square()).sqrt()
        bent += sd * self._normal(*clean.shape)
        other = torch.randint(len(self._styles), (number,), generator=self._generator)
        change = self._styles[other] - self._styles[self._house[rows]]
        bent += STYLE * self._uniform(number) * (strength > 0) * change
        return bent.masked_fill_((self._uniform(number) < CODING_ONLY) & ~self._coding, -torch.inf)

    def _count(self, log_share: Tensor) -> Tensor:
        depth = self._depth * (DEPTH_SPREAD * self._normal(len(log_share), 1)).exp()
        expected = torch.softmax(log_share, 1).mul_(depth)
        return expected if self._depth > DEEP else torch.poisson(expected, generator=self._generator)

    def _filled(self, data: Dataset, rows: NDArray[np.int64], positions: NDArray[np.int64]) -> Tensor:
        """[N, G] log shares of the training samples; a gene that was not measured is as the model has it."""
        cpm = torch.from_numpy(data.cpm[np.ix_(rows, positions)])
        measured = torch.from_numpy(data.measured[np.ix_(rows, positions)])
        condition, number = self._condition, len(rows)
        decoded = self._network.decode(condition.latent_mean, condition.factor_shift) + condition.gene_effect
        expected = torch.softmax(decoded[:number], 1)
        share = cpm / cpm.sum(1, keepdim=True).clamp(min=1.0) * (expected * measured).sum(1, keepdim=True)
        return torch.log(torch.where(measured, share, expected) + SMALLEST_SHARE)

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self._generator)

    def _uniform(self, rows: int) -> Tensor:
        return torch.rand(rows, 1, generator=self._generator)


def _known(network: ExpressionNetwork, labels: Condition) -> dict[str, tuple[str, ...]]:
    """What of a sample's labels the model has a term for."""
    fields = network.vocabulary.fields
    known = {
        name: tuple(term for term in terms if term in fields[name].terms)
        for name, terms in labels.items()
        if name in fields
    }
    return {name: terms for name, terms in known.items() if terms}


def _targets(network: ExpressionNetwork, name: str, conditions: Sequence[Condition]) -> Tensor:
    """[N, classes]: equal shares of the field's labels; none where unset means unknown."""
    place = {value: column for column, value in enumerate(network.heads.classes[name])}
    targets = torch.zeros(len(conditions), len(place))
    for row, condition in enumerate(conditions):
        values = condition.get(name, (ABSENT,) if name in MAY_BE_ABSENT else ())
        columns = [place[value] for value in values if value in place]
        targets[row, columns] = 1 / max(len(columns), 1)
    return targets


def _styles(shares: Matrix, houses: NDArray[np.int64], labels: pd.DataFrame) -> Matrix:
    """[sources, G]: how the log shares of each source with several kinds of samples lie beside all of them.

    Drawn to zero as far as chance explains it: the positive part of 1 - error variance / difference^2 (James
    and Stein). A source of one kind tells its biology and not its style: zero.
    """
    kinds = labels[list(DECIDING_FIELDS)].agg("/".join, axis=1).to_numpy()
    several = [house for house in range(houses.max() + 1) if len(set(kinds[houses == house])) >= FEWEST_KINDS]
    styles = np.zeros((houses.max() + 1, shares.shape[1]), np.float32)
    if len(several) < 2:
        return styles
    centre = np.mean([shares[houses == house].mean(axis=0) for house in several], axis=0)
    spread = np.mean([shares[houses == house].var(axis=0) for house in several], axis=0)
    for house in several:
        difference = shares[houses == house].mean(axis=0) - centre
        error = spread / (houses == house).sum()
        styles[house] = difference * np.clip(1 - error / np.maximum(difference**2, 1e-9), 0, None)
    return styles


def _balanced(data: Dataset, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """A condition counts by the fourth root of its samples, and for more where it is a treatment.

    Seventy lines shall not drown one tissue, nor all that is untreated the few treatments.
    """
    labels = data.labels.iloc[rows]
    keys = labels[list(LABEL_FIELDS)].agg("/".join, axis=1)
    counts = keys.map(keys.value_counts()).to_numpy(dtype=np.float32)
    treated = (labels["perturbation_ontology_id"] != "").to_numpy()
    weights: NDArray[np.float32] = counts**-0.75 * np.where(treated, TREATED, 1.0).astype(np.float32)
    return weights
