"""Which samples are held out: whole donors, about the share asked for, and never the last of a condition."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from worker.training.lab.split import held_out
from worker.training.samples import MODELLED_FIELDS


def labels(donors: list[str], tissues: list[str]) -> pd.DataFrame:
    table = pd.DataFrame(dict.fromkeys(MODELLED_FIELDS, ""), index=range(len(donors)))
    return table.assign(donor=donors, tissue_ontology_id=tissues)


def test_about_the_share_asked_for_is_held_out() -> None:
    assert held_out(labels([""] * 200, ["a", "b"] * 100), 0.1, seed=0).sum() == 20


@pytest.mark.parametrize("seed", range(5))
def test_a_donor_is_held_out_whole(seed: int) -> None:
    donors = [f"D{number // 4}" for number in range(24)]
    chosen = held_out(labels(donors, ["a", "b"] * 12), 0.1, seed)
    assert len({donor for donor, out in zip(donors, chosen, strict=True) if out}) == 1
    assert chosen.sum() == 4


def test_no_condition_loses_its_last_sample() -> None:
    tissues = ["a"] * 38 + ["b", "c"]
    for seed in range(10):
        chosen = held_out(labels([""] * 40, tissues), 0.5, seed)
        assert chosen.any()
        assert not chosen[-2:].any()


def test_nothing_is_held_out_where_none_is_asked_for_or_none_can_be_spared() -> None:
    assert not held_out(labels([""] * 40, ["a"] * 40), 0.0, seed=0).any()
    assert not held_out(labels(["D1"] * 20 + ["D2"] * 20, ["a"] * 40), 0.1, seed=0).any()


def test_the_seed_decides() -> None:
    table = labels([""] * 100, ["a"] * 100)
    assert np.array_equal(held_out(table, 0.1, seed=1), held_out(table, 0.1, seed=1))
    assert not np.array_equal(held_out(table, 0.1, seed=1), held_out(table, 0.1, seed=2))
