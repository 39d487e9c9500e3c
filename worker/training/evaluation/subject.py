"""What is measured: one model's predictor beside the data, both on the model's genes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from worker.training.conditions import labels_of
from worker.training.dataset import Dataset
from worker.training.evaluation.figures import Matrix
from worker.training.evaluation.predictor import Predictor, Query


@dataclass(frozen=True)
class Subject:
    """A model and the data on its genes, at `positions` of the data set's."""

    predictor: Predictor
    data: Dataset
    positions: NDArray[np.int64]

    @cached_property
    def cpm(self) -> Matrix:
        """[samples, genes of the model]."""
        return self.data.cpm[:, self.positions]

    @cached_property
    def measured(self) -> NDArray[np.bool_]:
        """[samples, genes of the model]."""
        return self.data.measured[:, self.positions]

    @cached_property
    def genes(self) -> pd.DataFrame:
        """The model's genes."""
        return self.data.genes.iloc[self.positions]

    @cached_property
    def coding(self) -> NDArray[np.bool_]:
        """[genes] which are protein-coding."""
        return (self.genes["biotype"] == "protein_coding").to_numpy()

    @cached_property
    def by_symbol(self) -> dict[str, int]:
        """Symbol to position among the model's genes."""
        return {str(symbol): position for position, symbol in enumerate(self.genes["symbol"])}

    def rows(self, source: str) -> NDArray[np.int64]:
        """The samples of a source."""
        return np.flatnonzero((self.data.labels["source"] == source).to_numpy())

    def query(self, row: int, without: tuple[str, ...] = ()) -> Query:
        """All labels of a sample that the model has a field for."""
        fields = self.predictor.network.vocabulary.fields
        labels = labels_of(self.data.labels.iloc[row])
        return {name: terms for name, terms in labels.items() if name in fields and name not in without}

    def query_of(self, row: int, *names: str) -> Query:
        """Only the named labels of a sample."""
        return {name: terms for name, terms in self.query(row).items() if name in names}
