"""Which samples judge and are never trained on: a share of them, by donor where donors are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from worker.training.samples import MODELLED_FIELDS

FEWEST_UNITS = 4  # donors, or samples; of fewer none can be spared
MOST_TRIES = 2000  # units that are considered


def conditions_of(labels: pd.DataFrame) -> NDArray[np.int64]:
    """[samples] a number for each distinct combination of labels."""
    grouped = labels.groupby(list(MODELLED_FIELDS), sort=False, observed=True)
    return np.asarray(grouped.ngroup(), np.int64)


def held_out(labels: pd.DataFrame, share: float, seed: int) -> NDArray[np.bool_]:
    """[samples] which are held out: about that share, and at least one unit where any can be spared.

    A unit is a donor, or a sample where donors are not given. Every condition keeps a sample for training.
    """
    chosen = np.zeros(len(labels), bool)
    units = _units(labels)
    if share == 0 or units.max() + 1 < FEWEST_UNITS:
        return chosen
    conditions = conditions_of(labels)
    left = np.bincount(conditions)
    wanted = max(1, round(share * len(labels)))
    order = np.argsort(units, kind="stable")
    starts = np.searchsorted(units[order], np.arange(units.max() + 2))
    for unit in _tries(units, seed, wanted):
        rows = order[starts[unit] : starts[unit + 1]]
        taken = np.bincount(conditions[rows], minlength=len(left))
        fits = chosen.sum() == 0 or chosen.sum() + len(rows) <= wanted
        if fits and (left[taken > 0] > taken[taken > 0]).all():
            chosen[rows] = True
            left -= taken
        if chosen.sum() >= wanted:
            break
    return chosen


def _units(labels: pd.DataFrame) -> NDArray[np.int64]:
    donors = labels["donor"].astype(str).to_numpy()
    names = np.where(donors == "", np.arange(len(labels)).astype(str), donors)
    return np.unique(names, return_inverse=True)[1]


def _tries(units: NDArray[np.int64], seed: int, wanted: int) -> NDArray[np.int64]:
    order = np.random.default_rng(seed).permutation(units.max() + 1)
    return order[: max(MOST_TRIES, 4 * wanted)]
