"""A user's files as training data: one list of genes, values read from the files a few samples at a time."""

from __future__ import annotations

from functools import cached_property

import anndata
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from worker.training.dataset import MEASURED, Dataset, Reading
from worker.training.lab.check import Checked, Source
from worker.training.lab.labels import KIND, constant
from worker.training.lab.split import conditions_of
from worker.training.samples import SampleKind

MOST_VALUES = 20_000_000  # in memory, for what is computed on many samples at once: 80 MB of float32
Rows = NDArray[np.int64]


class LabData:
    """Samples of checked files, in the order of the files; `worker.training.dataset.TrainingData`."""

    def __init__(self, checked: Checked, held_out: NDArray[np.bool_], most_values: int = MOST_VALUES) -> None:
        self.labels = checked.labels.copy(deep=False)
        self.labels[KIND] = constant(SampleKind.COUNTS, self.labels.index)
        self.genes, self.depth, self.held_out = checked.genes, checked.reads, held_out
        self._sources = [_Aligned(source, checked.genes.index) for source in checked.sources]
        sizes = [source.file.rows for source in checked.sources]
        self._starts = np.concatenate([[0], np.cumsum(sizes)])
        self._most = max(2, most_values // len(self.genes))

    @cached_property
    def is_profile(self) -> NDArray[np.bool_]:
        """[samples] none: users have samples."""
        return np.zeros(len(self.labels), bool)

    @cached_property
    def strata(self) -> pd.Series:
        """[samples] the condition of each, so that rare ones are not forgotten."""
        return pd.Series(conditions_of(self.labels), index=self.labels.index)

    def read(self, rows: Rows) -> Reading:
        """log1p CPM [B, G], 0 where not measured, and what was measured [B, G], in the order of `rows`."""
        if len(self.labels) <= self._most:
            return self._part.read(rows)
        cpm, measured = self.read_cpm(rows)
        return Reading(np.log1p(cpm, out=cpm), measured)

    def read_cpm(self, rows: Rows) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """CPM [B, G], 0 where not measured, and what was measured [B, G], in the order of `rows`."""
        distinct, back = np.unique(rows, return_inverse=True)
        counts = np.zeros((len(distinct), len(self.genes)), np.float32)
        measured = np.zeros(counts.shape, bool)
        of_source = np.searchsorted(self._starts, distinct, side="right") - 1
        for number, source in enumerate(self._sources):
            here = of_source == number
            if here.any():
                counts[here], measured[here] = source.read(distinct[here] - self._starts[number])
        counts *= (1e6 / self.depth[distinct])[:, None]
        return counts[back], measured[back]

    def in_memory(self) -> Dataset:
        """All samples, or as many as fit, the same number of each condition as far as there are so many."""
        return self._part

    @cached_property
    def _part(self) -> Dataset:
        samples = len(self.labels)
        rows = np.arange(samples) if samples <= self._most else self._fair_choice(self._most)
        cpm, measured = self.read_cpm(rows)
        labels = self.labels.iloc[rows].astype(str)
        # What is fitted to replicates takes those of one source; here these must be of one condition.
        labels["source"] = labels["source"] + " " + self.strata.iloc[rows].astype(str)
        table = anndata.AnnData(cpm, obs=labels, var=self.genes, layers={MEASURED: measured})
        return Dataset(table, self.depth[rows], self.held_out[rows])

    def _fair_choice(self, most: int) -> Rows:
        """Of a random order, the first sample of every condition, then the second, until there are enough."""
        order = np.random.default_rng(0).permutation(len(self.labels))
        turn = self.strata.iloc[order].groupby(self.strata.iloc[order].to_numpy()).cumcount().to_numpy()
        return np.sort(order[np.argsort(turn, kind="stable")[:most]])


class _Aligned:
    """One file on the genes of all files."""

    def __init__(self, source: Source, genes: pd.Index) -> None:
        self._file = source.file
        places = genes.get_indexer(pd.Index(source.genes.ids))
        self._here = np.flatnonzero(places >= 0)
        self._there = places[self._here]
        self._width = len(genes)

    def read(self, rows: Rows) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Counts and what was measured, [R, genes of all files], of rows in ascending order."""
        counts = np.zeros((len(rows), self._width), np.float32)
        measured = np.zeros(counts.shape, bool)
        for first in range(0, len(rows), self._file.block_rows):  # few of a file's genes may be kept
            block = slice(first, first + self._file.block_rows)
            mask = self._file.read_mask(rows[block])
            measured[block, self._there] = True if mask is None else mask[:, self._here]
            counts[block, self._there] = self._file.read(rows[block])[:, self._here]
        counts[~measured] = 0
        return counts, measured
