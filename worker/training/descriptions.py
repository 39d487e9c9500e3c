"""The descriptions that samples are shown under: all made beforehand for few samples, at need for many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor, from_numpy

from worker.inference.network import ExpressionNetwork
from worker.training.samples import MODELLED_FIELDS

UNSET_SEX, FEMALE, MALE = 0, 1, 2
LARGEST_TABLE = 1 << 26  # membership values kept in memory: 256 MiB
Condition = Mapping[str, tuple[str, ...]]
Rows = NDArray[np.int64]


class Describer(Protocol):
    """Draws a description of a sample from its row of labels."""

    def describe(self, row: pd.Series) -> Condition:
        """Which terms are said of the sample."""


class Description(NamedTuple):
    """Of B samples: tokens [B, T], and the sex [B] that each description says."""

    membership: Tensor
    sex: NDArray[np.int8]


class Descriptions(Protocol):
    """Where a batch gets its descriptions."""

    def of(self, rows: Rows, random: np.random.Generator) -> Description:
        """One description for each of these samples."""


@dataclass(frozen=True)
class LabelledVariants:
    """Each sample under `per_sample` descriptions: tokens [N * per_sample, T], and the sex that each says."""

    membership: Tensor
    sex: NDArray[np.int8]
    per_sample: int

    def of(self, rows: Rows, random: np.random.Generator) -> Description:
        """For each sample one of its variants."""
        chosen = rows * self.per_sample + random.integers(self.per_sample, size=len(rows))
        return Description(self.membership[from_numpy(chosen)], self.sex[chosen])


class DrawnAtNeed:
    """A fresh description each time a sample is drawn; memory for the distinct rows of labels only."""

    def __init__(self, labels: pd.DataFrame, describer: Describer, network: ExpressionNetwork) -> None:
        fields = ["kind", *(name for name in MODELLED_FIELDS if name in labels)]
        numbers = labels.groupby(fields, sort=False, observed=True).ngroup().to_numpy()
        _, first, self._number_of = np.unique(numbers, return_index=True, return_inverse=True)
        self._distinct = labels.iloc[first]
        self._describer, self._network = describer, network

    def of(self, rows: Rows, random: np.random.Generator) -> Description:  # noqa: ARG002
        """Drawn by the describer, which holds the generator."""
        drawn = [self._describer.describe(self._distinct.iloc[self._number_of[row]]) for row in rows]
        return Description(self._network.tokens(drawn).membership, sexes(drawn))


def descriptions_of(
    labels: pd.DataFrame, describer: Describer, network: ExpressionNetwork, per_sample: int
) -> Descriptions:
    """`per_sample` descriptions of each sample, or fresh ones at need where that would fill the memory."""
    width = network.tokens([{}]).membership.shape[1]
    if len(labels) * per_sample * width > LARGEST_TABLE:
        return DrawnAtNeed(labels, describer, network)
    return variants(labels, describer, network, per_sample)


def variants(
    labels: pd.DataFrame, describer: Describer, network: ExpressionNetwork, per_sample: int
) -> LabelledVariants:
    """`per_sample` descriptions of every sample."""
    drawn = [describer.describe(row) for _, row in labels.iterrows() for _ in range(per_sample)]
    return LabelledVariants(network.tokens(drawn).membership, sexes(drawn), per_sample)


def sexes(drawn: Sequence[Condition]) -> NDArray[np.int8]:
    """The sex that each description says."""
    codes = {"female": FEMALE, "male": MALE}
    return np.array([codes.get("".join(one.get("sex", ())), UNSET_SEX) for one in drawn], np.int8)
