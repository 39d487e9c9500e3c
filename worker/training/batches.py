"""One training step's samples: drawn, described, and with sex genes that fit the sex they are given."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worker.training.dataset import TrainingData
from worker.training.descriptions import FEMALE, MALE, Descriptions
from worker.training.replicates import Replicates

# Genes of the Y chromosome that men's tissues express throughout.
Y_GENES = ("RPS4Y1", "DDX3Y", "KDM5D", "UTY", "USP9Y", "EIF1AY", "ZFY", "NLGN4Y", "TMSB4Y", "TXLNGY", "PRKY")
XIST = "XIST"
XIST_CPM_OF_WOMEN = 200.0  # the median of the female samples that measured it is 205 to 236
SHARE_OF_COUNTS = 0.5  # of a batch; the rest are replicates of profiles
GENES_PER_STEP = 6000


@dataclass(frozen=True, slots=True)
class Batch:
    """B samples and a random subset of S genes.

    `values` and `measured` [B, G] are for the encoder. `target` and `clean` [B, S] are to be explained: log1p
    CPM as seen and as published. `present` [B, S], `membership` [B, T]. `reads`, `from_profile` [B, 1].
    """

    values: Tensor
    measured: Tensor
    membership: Tensor
    reads: Tensor
    from_profile: Tensor
    genes: Tensor
    target: Tensor
    clean: Tensor
    present: Tensor


class BatchSampler:
    """Draws batches: real samples, small strata favoured; half replicates where there are profiles."""

    def __init__(
        self,
        data: TrainingData,
        training: NDArray[np.bool_],
        replicates: Replicates | None,
        descriptions: Descriptions,
        random: np.random.Generator,
    ) -> None:
        self._data, self._descriptions, self._random = data, descriptions, random
        self._replicates = replicates
        self._counted = np.flatnonzero(training & ~data.is_profile)
        strata = data.strata.iloc[self._counted]
        weights = 1 / np.sqrt(strata.map(strata.value_counts()).to_numpy(dtype=float))
        # As in Generator.choice, which would add up a million weights anew for each batch.
        self._cumulative = (weights / weights.sum()).cumsum()
        self._cumulative /= self._cumulative[-1]
        symbols = data.genes["symbol"].to_numpy()
        self._y_genes = np.flatnonzero(np.isin(symbols, Y_GENES))
        self._xist = np.flatnonzero(symbols == XIST)
        self._is_profile = data.is_profile
        self._both_sexes = self._is_profile & (data.labels["sex"] == "").to_numpy()

    def draw(self, size: int) -> Batch:
        """A batch of `size` samples."""
        rows, made = self._choose(size)
        clean, is_measured = self._data.read(rows)
        values, reads = clean.copy(), self._data.depth[rows]
        if self._replicates:
            values[: len(made)] = self._replicates.log1p_cpm[made]
            reads[: len(made)] = self._replicates.reads[made]
        membership, sex = self._descriptions.of(rows, self._random)
        measured = is_measured.astype(np.float32)
        self._fit_sex(sex, rows, (values, clean), measured)
        genes = torch.from_numpy(self._random.permutation(values.shape[1])[:GENES_PER_STEP])
        seen, present = torch.from_numpy(values), torch.from_numpy(measured)
        return Batch(
            values=seen,
            measured=present,
            membership=membership,
            reads=torch.from_numpy(reads[:, None]),
            from_profile=torch.from_numpy(self._is_profile[rows].astype(np.float32)[:, None]),
            genes=genes,
            target=seen.index_select(1, genes),
            clean=torch.from_numpy(clean).index_select(1, genes),
            present=present.index_select(1, genes),
        )

    def _choose(self, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The samples of a batch, profiles first, and which of the profiles' replicates stand for them."""
        number = int(size * SHARE_OF_COUNTS) if self._replicates else size
        drawn = self._cumulative.searchsorted(self._random.random(number), side="right")
        counted = self._counted[drawn]
        if not self._replicates:
            return counted, np.empty(0, np.int64)
        made = self._random.integers(len(self._replicates.rows), size=size - number)
        return np.concatenate([self._replicates.rows[made], counted]), made

    def _fit_sex(
        self,
        sex: NDArray[np.int8],
        rows: NDArray[np.int64],
        values: tuple[NDArray[np.float32], ...],
        measured: NDArray[np.float32],
    ) -> None:
        """Averages of both sexes that are shown as one: no Y genes, or twice as much; XIST of that sex."""
        both = self._both_sexes[rows]
        women, men = both & (sex == FEMALE), both & (sex == MALE)
        for matrix in values:
            matrix[np.ix_(women, self._y_genes)] = 0.0
            matrix[np.ix_(men, self._y_genes)] = np.log1p(2 * np.expm1(matrix[np.ix_(men, self._y_genes)]))
            matrix[np.ix_(women, self._xist)] = np.log1p(XIST_CPM_OF_WOMEN)
            matrix[np.ix_(men, self._xist)] = 0.0
        measured[np.ix_(women | men, self._xist)] = 1.0
