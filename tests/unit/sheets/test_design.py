"""What is wrong with a design is told where it stands in it, once, however many combinations it spoils."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from shared.errors import RowsRejected
from shared.queries.rules import ModelRules
from shared.sheets.forms.design import Design
from shared.sheets.row import Row
from shared.sheets.taking_in import OnError
from shared.storage.objects import ObjectStorage
from tests.support.catalogs import HEART, LIVER
from tests.unit.sheets.conftest import Refuse, Take, reported, stored


def combinations(rules: ModelRules, written: Any, exclude: Any = None) -> Iterator[Row]:
    return Design.read(written, exclude, 1, rules).rows()


def told(refused: Exception) -> list[tuple[str | None, str]]:
    """Each fault's pointer, and what it says last."""
    assert isinstance(refused, RowsRejected)
    assert all(fault.line is None for fault in refused.faults)
    return [(fault.pointer, fault.message[fault.message.find("It spoils") :]) for fault in refused.faults]


def test_a_bad_value_among_thousands_of_combinations_is_one_fault(
    rules: ModelRules, refuse: Refuse, storage: ObjectStorage
) -> None:
    design = {
        "sex": ["male", "femal"],
        "study": [f"PRJNA{n}" for n in range(3_000)],
        "tissue_ontology_id": "x",
    }
    refused = refuse(combinations(rules, design))
    assert told(refused) == [
        ("/design/tissue_ontology_id", "It spoils 6,000 combinations."),
        ("/design/sex/1", "It spoils 3,000 combinations."),
    ]
    assert [fault.path for fault in refused.faults] == ["design.tissue_ontology_id", "design.sex[1]"]
    assert isinstance(refused, RowsRejected)
    assert refused.rows == 6_000
    assert [line["pointer"] for line in reported(storage, refused.report)] == [
        "/design/tissue_ontology_id",
        "/design/sex/1",
    ]


def test_of_several_designs_the_one_is_named(rules: ModelRules, refuse: Refuse) -> None:
    designs = [{"sex": ["male"]}, {"sex": ["femal", None], "tissue_ontology_id": [LIVER, HEART]}]
    exclude = [{"sex": "femal", "tissue_ontology_id": HEART}]
    refused = refuse(combinations(rules, designs, exclude))
    assert told(refused) == [("/design/1/sex/0", "It spoils one combination.")]
    assert refused.faults[0].path == "design[1].sex[0]"


@pytest.mark.parametrize(
    ("written", "pointer", "said"),
    [
        (
            {"sex": ["male", "female", "male"], "tissue_ontology_id": [LIVER, HEART]},
            "/design/sex/2",
            "place 0",
        ),
        ({"sex": ["", "male", None], "tissue_ontology_id": [LIVER, HEART]}, "/design/sex/2", "place 0"),
        ([{"sex": "male"}, {"sex": ["male", "female"]}], "/design/1", "earlier design"),
    ],
)
def test_what_makes_a_combination_twice_is_named(
    rules: ModelRules, refuse: Refuse, written: Any, pointer: str, said: str
) -> None:
    refused = refuse(combinations(rules, written))
    (fault,) = refused.faults
    assert (fault.pointer, said in fault.message) == (pointer, True)


def test_combinations_are_left_out_one_by_one_where_that_is_wished(rules: ModelRules, take: Take) -> None:
    design = {"tissue_ontology_id": [LIVER, HEART], "sex": ["male", "femal"]}
    taken = take(combinations(rules, design), OnError.SKIP)
    assert taken.rejected is not None
    assert [(row["input_index"], "femal" in row["message"]) for row in taken.rejected.first] == [
        (1, True),
        (3, True),
    ]
    assert not any("spoils" in row["message"] for row in taken.rejected.first)
    assert [row.metadata["tissue_ontology_id"] for row in stored(taken)] == [LIVER, HEART]


def test_an_answer_lists_a_thousand_values_and_the_report_has_all(
    rules: ModelRules, refuse: Refuse, storage: ObjectStorage
) -> None:
    refused = refuse(combinations(rules, {"sex": [f"sex {n}" for n in range(1_200)]}))
    assert isinstance(refused, RowsRejected)
    assert len(refused.faults) == 1_000
    assert len(reported(storage, refused.report)) == 1_200
