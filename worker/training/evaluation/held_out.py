"""How well samples that were held out are foretold from their labels alone. For any data; knows no study."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from worker.inference.network import ExpressionNetwork
from worker.training.conditions import labels_of
from worker.training.dataset import TrainingData
from worker.training.evaluation.figures import Figure, Matrix, correlation
from worker.training.evaluation.predictor import Predictor

GROUP = "Held out"
MOST_SAMPLES = 600
ROWS_AT_ONCE = 64


def evaluate_held_out(
    network: ExpressionNetwork, data: TrainingData, *, by_condition: bool
) -> Iterator[Figure]:
    """Profile r, and LFC r against the training mean m: corr(yhat - m, y - m), y = log1p CPM where measured.

    The baseline is that mean, the ceiling the mean of the training samples of the same condition. Of single
    cells each condition's mean is judged (`by_condition`), not each cell.
    """
    rows = np.flatnonzero(data.held_out)
    if len(rows) == 0:
        return
    judges = _averaged(data, rows[:: -(-len(rows) // MOST_SAMPLES)], by_condition)
    mean, mean_of = _training_means(data)
    scores: list[tuple[float, ...]] = []
    for row, y, measured in judges:
        known = labels_of(data.labels.iloc[row])
        yhat = np.log1p(Predictor(network).mean([known])[0])
        twin = mean_of.get(_key(data.labels.iloc[row]))
        guesses = (yhat, mean, mean if twin is None else twin)
        whole = [correlation(guess[measured], y[measured]) for guess in guesses]
        change = [correlation((guess - mean)[measured], (y - mean)[measured]) for guess in guesses]
        scores.append((*whole, *change, float(twin is not None)))
    yield from _figures(np.array(scores), "condition" if by_condition else "sample")


def _figures(scores: NDArray[np.float64], unit: str) -> Iterator[Figure]:
    with_twin = scores[:, 6] > 0
    note = (
        f"{len(scores)} held-out {unit}s; baseline: training mean; ceiling: training samples of the condition"
    )
    for name, first in (("r, held out", 0), ("LFC r, held out", 3)):
        yield Figure(
            GROUP,
            name,
            float(scores[:, first].mean()),
            baseline=float(scores[:, first + 1].mean()),
            ceiling=float(scores[with_twin, first + 2].mean()) if with_twin.any() else None,
            note=note,
        )


def _averaged(
    data: TrainingData, rows: NDArray[np.int64], by_condition: bool
) -> Iterator[tuple[int, Matrix, NDArray[np.bool_]]]:
    """A sample of each judge, its log1p CPM [G], and the genes that all of its samples measured."""
    units = data.labels.iloc[rows].apply(_key, axis=1).to_numpy() if by_condition else rows
    for unit in pd.unique(units):
        members = rows[units == unit]
        total, measured = np.zeros(len(data.genes)), np.ones(len(data.genes), bool)
        for start in range(0, len(members), ROWS_AT_ONCE):
            read = data.read(members[start : start + ROWS_AT_ONCE])
            total += np.expm1(read.log1p_cpm, dtype=np.float64).sum(axis=0)
            measured &= read.measured.all(axis=0)
        yield int(members[0]), np.log1p(total / len(members)).astype(np.float32), measured


def _training_means(data: TrainingData) -> tuple[Matrix, dict[str, Matrix]]:
    """log1p of the mean CPM of the training samples, and of those of each condition."""
    part = data.in_memory()
    training = np.flatnonzero(~part.held_out)
    keys = part.labels.iloc[training].apply(_key, axis=1).to_numpy()
    means = {key: np.log1p(part.cpm[training[keys == key]].mean(axis=0)) for key in pd.unique(keys)}
    return np.mean(list(means.values()), axis=0), means


def _key(label: pd.Series) -> str:
    return repr(sorted(labels_of(label).items()))
