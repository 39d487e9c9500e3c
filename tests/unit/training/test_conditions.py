"""How training samples are described: as thinly as users do, and never so that the description is wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from shared.queries.vocabulary import FieldVocabulary, Term, Vocabulary
from tests.support.networks import SMALL
from worker.inference.network import ExpressionNetwork
from worker.training.conditions import LabelThinner, labels_of, rows_below
from worker.training.descriptions import FEMALE, variants
from worker.training.samples import LABEL_FIELDS

TISSUE, DISEASE, CELLS = "tissue_ontology_id", "disease_ontology_id", "cell_type_ontology_id"
VOCABULARY = Vocabulary(
    {
        TISSUE: FieldVocabulary(
            TISSUE,
            {
                "bowel": Term("bowel"),
                "gut": Term("gut", ("bowel",), 1),
                "duodenum": Term("duodenum", ("gut",), 1),
                "colon": Term("colon", ("bowel",), 1),
            },
        ),
        DISEASE: FieldVocabulary(DISEASE, {"cancer": Term("cancer", (), 1)}),
        CELLS: FieldVocabulary(CELLS, {"muscle": Term("muscle", (), 2)}),
        "sample_type": FieldVocabulary(
            "sample_type",
            {"primary cells": Term("primary cells", (), 1), "organoid": Term("organoid", (), 1)},
        ),
        "sex": FieldVocabulary("sex", {"female": Term("female"), "male": Term("male")}),
        "study": FieldVocabulary("study", {"HPA": Term("HPA")}),
    }
)


def sample(**labels: str) -> dict[str, str]:
    return dict.fromkeys(LABEL_FIELDS, "") | {"kind": "profile", "source": "s", "donor": ""} | labels


def descriptions(
    row: dict[str, str], *others: dict[str, str], number: int = 400
) -> list[dict[str, list[str]]]:
    """What `number` variants of the first sample say, by field."""
    network = ExpressionNetwork(VOCABULARY, 3, SMALL)
    labels = pd.DataFrame([row, *others])
    thinner = LabelThinner(labels, VOCABULARY, np.random.default_rng(0))
    said = []
    for tokens in variants(labels, thinner, network, number).membership[:number]:
        fields = {name: tokens[columns][:-1] for name, columns in network.field_slices.items()}
        terms = {name: list(VOCABULARY.field(name).terms) for name in fields}
        said.append(
            {name: [terms[name][i] for i in member.nonzero()[:, 0]] for name, member in fields.items()}
        )
    return said


def test_a_profile_is_often_shown_by_its_tissue_alone() -> None:
    said = descriptions(sample(**{TISSUE: "colon", "study": "HPA", "sex": "male"}))
    alone = [one for one in said if one[TISSUE] and not one["study"] and not one["sex"]]
    assert 0.3 < len(alone) / len(said) < 0.7


def test_a_cancer_is_never_shown_as_a_healthy_tissue() -> None:
    said = descriptions(sample(**{TISSUE: "colon", DISEASE: "cancer"}))
    assert not [one for one in said if one[TISSUE] and not one[DISEASE]]


def test_a_broader_term_is_shown_unless_other_samples_own_it() -> None:
    tissues = {tuple(one[TISSUE]) for one in descriptions(sample(**{TISSUE: "duodenum"}))}
    assert ("bowel",) in tissues
    assert ("bowel", "gut") not in tissues


def test_a_cell_type_is_shown_in_tissues_of_which_there_are_no_data() -> None:
    tissues = {tuple(one[TISSUE]) for one in descriptions(sample(**{CELLS: "muscle"})) if one[CELLS]}
    assert len(tissues) > 3


def test_a_sample_type_is_made_up_only_where_no_counts_show_how_it_looks() -> None:
    counts = sample(**{CELLS: "muscle", "sample_type": "primary cells"}) | {"kind": "counts"}
    said = {tuple(one["sample_type"]) for one in descriptions(sample(**{CELLS: "muscle"}), counts)}
    assert said == {(), ("organoid",)}


@pytest.mark.parametrize("sex", ["", "male"])
def test_only_an_average_of_both_sexes_is_given_a_sex(sex: str) -> None:
    network = ExpressionNetwork(VOCABULARY, 3, SMALL)
    labels = pd.DataFrame([sample(**{TISSUE: "colon", "sex": sex})])
    thinner = LabelThinner(labels, VOCABULARY, np.random.default_rng(0))
    assert (FEMALE in variants(labels, thinner, network, 200).sex) == (sex == "")


def test_several_terms_of_one_field_are_told_apart() -> None:
    assert labels_of(pd.Series(sample(**{DISEASE: "a|b"}))) == {DISEASE: ("a", "b")}


def test_samples_count_for_their_term_and_all_its_ancestors() -> None:
    counts = rows_below(VOCABULARY.field(TISSUE), pd.Series(["duodenum", "colon", ""]))
    assert counts == {"bowel": 2, "gut": 1, "duodenum": 1, "colon": 1}
