"""Descriptions at need say what those made beforehand say, and a laboratory's own are never made up."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.support.networks import COMPOUND, LIVER, LUNG, small_network, small_vocabulary
from worker.training.conditions import NOTHING, PlainThinner
from worker.training.descriptions import DrawnAtNeed, LabelledVariants, descriptions_of, variants
from worker.training.samples import MODELLED_FIELDS

TISSUE, DRUG, DISEASE = "tissue_ontology_id", "perturbation_ontology_id", "disease_ontology_id"


def labels(*rows: dict[str, str]) -> pd.DataFrame:
    blank = dict.fromkeys(MODELLED_FIELDS, "") | {"kind": "counts", "source": "my", "donor": ""}
    return pd.DataFrame([blank | row for row in rows])


TABLE = labels(
    {TISSUE: LIVER, "sex": "male", DRUG: COMPOUND, "perturbation_type": "compound"},
    {TISSUE: LUNG, "sex": "female"},
)


def thinner(table: pd.DataFrame, seed: int = 0) -> PlainThinner:
    return PlainThinner(table, small_vocabulary(), np.random.default_rng(seed))


def test_at_need_the_same_things_are_said_as_often() -> None:
    network, random = small_network(), np.random.default_rng(0)
    beforehand = variants(TABLE, thinner(TABLE), network, 1000)
    at_need = DrawnAtNeed(TABLE.astype("category"), thinner(TABLE, 1), network)
    rows = np.tile([0, 1], 1000)
    drawn = at_need.of(rows, random)
    for row in (0, 1):
        first = beforehand.of(np.full(1000, row), random).membership.mean(0)
        np.testing.assert_allclose(drawn.membership[rows == row].mean(0), first, atol=0.08)
    assert set(drawn.sex.tolist()) == {0, 1, 2}


def test_descriptions_of_many_samples_are_drawn_at_need() -> None:
    network = small_network()
    many = pd.concat([TABLE] * 40, ignore_index=True)
    assert isinstance(descriptions_of(TABLE, thinner(TABLE), network, 4), LabelledVariants)
    assert isinstance(descriptions_of(many, thinner(many), network, 10**6), DrawnAtNeed)


def test_a_treated_sample_is_never_shown_as_untreated() -> None:
    said = [thinner(TABLE, seed).describe(TABLE.iloc[0]) for seed in range(400)]
    assert sum(not one for one in said) / len(said) == pytest.approx(NOTHING, abs=0.03)
    assert all(one.get(DRUG) == (COMPOUND,) for one in said if one)
    assert {TISSUE in one for one in said} == {True, False}


def test_a_disease_that_all_samples_have_may_be_left_unsaid() -> None:
    ill = labels({DISEASE: "MONDO:1", TISSUE: LIVER}, {DISEASE: "MONDO:1", TISSUE: LUNG})
    assert not all(DISEASE in thinner(ill, seed).describe(ill.iloc[0]) for seed in range(100))


def test_nothing_is_said_that_the_labels_do_not_say() -> None:
    closure = {LIVER, "UBERON:0000062"}
    for seed in range(200):
        said = thinner(TABLE, seed).describe(TABLE.iloc[0])
        assert set(said) <= {TISSUE, "sex", DRUG, "perturbation_type"}
        assert set(said.get(TISSUE, ())) <= closure
        assert said.get("sex", ("male",)) == ("male",)
