"""One training step's samples: drawn, described, and with sex genes that fit the sex they are given."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worker.training.conditions import FEMALE, MALE, LabelledVariants
from worker.training.dataset import Dataset
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
    """Draws batches: half real samples, small studies favoured; half replicates of profiles."""

    def __init__(
        self,
        data: Dataset,
        training: NDArray[np.bool_],
        replicates: Replicates,
        variants: LabelledVariants,
        random: np.random.Generator,
    ) -> None:
        self._data, self._replicates, self._variants, self._random = data, replicates, variants, random
        self._log1p_cpm = np.log1p(data.cpm)
        self._counted = np.flatnonzero(training & ~data.is_profile)
        sources = data.labels["source"].iloc[self._counted]
        weights = 1 / np.sqrt(sources.map(sources.value_counts()).to_numpy(dtype=float))
        self._weights = weights / weights.sum()
        symbols = data.genes["symbol"].to_numpy()
        self._y_genes = np.flatnonzero(np.isin(symbols, Y_GENES))
        self._xist = int(np.flatnonzero(symbols == XIST)[0])
        self._both_sexes = data.is_profile & (data.labels["sex"] == "").to_numpy()

    def draw(self, size: int) -> Batch:
        """A batch of `size` samples."""
        counted = self._random.choice(self._counted, int(size * SHARE_OF_COUNTS), p=self._weights)
        made = self._random.integers(len(self._replicates.rows), size=size - len(counted))
        rows = np.concatenate([self._replicates.rows[made], counted])
        values = np.concatenate([self._replicates.log1p_cpm[made], self._log1p_cpm[counted]]).astype(
            np.float32
        )
        reads = np.concatenate([self._replicates.reads[made], self._data.depth[counted]])
        chosen = self._variants.draw(rows, self._random)
        clean, measured = self._log1p_cpm[rows], self._data.measured[rows].astype(np.float32)
        self._fit_sex(self._variants.sex[chosen], rows, (values, clean), measured)
        clean[len(made) :] = values[len(made) :]
        genes = torch.from_numpy(self._random.permutation(values.shape[1])[:GENES_PER_STEP])
        seen, present = torch.from_numpy(values), torch.from_numpy(measured)
        return Batch(
            values=seen,
            measured=present,
            membership=self._variants.membership[torch.from_numpy(chosen)],
            reads=torch.from_numpy(reads[:, None]),
            from_profile=torch.from_numpy(self._data.is_profile[rows].astype(np.float32)[:, None]),
            genes=genes,
            target=seen.index_select(1, genes),
            clean=torch.from_numpy(clean).index_select(1, genes),
            present=present.index_select(1, genes),
        )

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
            matrix[women, self._xist] = np.log1p(XIST_CPM_OF_WOMEN)
            matrix[men, self._xist] = 0.0
        measured[women | men, self._xist] = 1.0
