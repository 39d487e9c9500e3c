"""What a query asks for is summed up value by value, with the terms that each stands on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.ontology.terms import Ontologies
from shared.queries.coverage import MOST_VALUES, CoverageSummary, coverage_of
from shared.queries.rules import ModelRules
from shared.queries.spec import Coverage as How
from shared.queries.spec import InputSpec, Placement, QuerySpec, SamplingStrategy
from shared.queries.vocabulary import Vocabulary
from tests.unit.queries.conftest import Check

LIVER, LOBE = "UBERON:0002107", "UBERON:0001115"
CYCLOHEXIMIDE, DEXAMETHASONE = "CHEBI:27641", "CHEBI:41879"


def inputs_of(*conditions: dict[str, Any]) -> dict[str, Any]:
    inputs = [{"metadata": metadata, "num_samples": 2} for metadata in conditions]
    return {"sampling_strategy": "mean estimation", "inputs": inputs}


@pytest.fixture
def summary(check: Check, bulk: ModelRules, ontologies: Ontologies) -> Any:
    def summed(*conditions: dict[str, Any]) -> CoverageSummary:
        return coverage_of(check(inputs_of(*conditions)), bulk.vocabulary, ontologies.label)

    return summed


def test_a_value_says_what_it_stands_on_how_far_up_and_where_it_is_first_asked(summary: Any) -> None:
    asked = summary({}, {"tissue_ontology_id": LOBE}, {"tissue_ontology_id": LOBE})
    assert json.loads(json.dumps(asked.to_json())) == [
        {
            "field": "tissue_ontology_id",
            "value": LOBE,
            "label": "left lobe of liver",
            "coverage": "ancestor",
            "terms": [{"id": LIVER, "label": "liver"}],
            "distance": 2,
            "inputs": 2,
            "path": "inputs[1].metadata.tissue_ontology_id",
        }
    ]


def test_exact_values_are_listed_too_behind_all_others(summary: Any) -> None:
    asked = summary(
        {
            "tissue_ontology_id": LIVER,
            "age_years": 40,
            "cell_type_ontology_id": "CL:0000236",
            "perturbation_ontology_id": CYCLOHEXIMIDE,
        },
        {"tissue_ontology_id": LOBE},
    )
    assert [value.coverage for value in asked.values] == [
        How.UNKNOWN,
        How.ANCESTOR,
        How.NOT_INFORMATIVE,
        How.EXACT,
        How.EXACT,
    ]
    assert [term.label for term in asked.values[3].terms] == ["liver"]


def test_an_untrained_compound_stands_on_nothing_and_one_of_a_trained_class_on_the_class(
    summary: Any,
) -> None:
    unknown, relative = summary(
        {"perturbation_ontology_id": CYCLOHEXIMIDE}, {"perturbation_ontology_id": "CHEBI:8378"}
    ).values
    assert (unknown.label, unknown.coverage, unknown.terms) == ("cycloheximide", How.UNKNOWN, ())
    assert (relative.label, relative.coverage) == ("prednisolone", How.ANCESTOR)
    assert [term.label for term in relative.terms] == ["glucocorticoid"]


def test_a_cell_line_is_summed_up_by_its_origin_and_not_by_fields_that_nobody_wrote(summary: Any) -> None:
    line, overruled = summary(
        {"cell_line_ontology_id": "CVCL_0023"},
        {"cell_line_ontology_id": "CVCL_0023", "tissue_ontology_id": "UBERON:0002048"},
    ).values[:2]
    assert {line.field, overruled.field} == {"cell_line_ontology_id"}
    assert (line.inputs, overruled.inputs) == (1, 1)
    assert "UBERON:0002048" in {term.id for each in (line, overruled) for term in each.terms}
    assert line.terms != overruled.terms


def test_a_value_without_a_label_is_its_own(summary: Any) -> None:
    (value,) = summary({"sex": "male"}).values
    assert (value.label, [term.label for term in value.terms]) == ("male", ["male"])


def test_a_thousand_values_are_listed_and_the_rest_is_counted_the_exact_ones_first() -> None:
    exact, unknown = Placement(How.EXACT, (LIVER,)), Placement(How.UNKNOWN)
    field = "perturbation_ontology_id"
    many = [InputSpec({field: f"CHEBI:{number}"}, {field: unknown}, 1) for number in range(MOST_VALUES + 20)]
    first = InputSpec({"tissue_ontology_id": LIVER}, {"tissue_ontology_id": exact}, 1)
    spec = QuerySpec("gem-1-bulk", SamplingStrategy.MEAN_ESTIMATION, (first, *many), 1000)
    listed = coverage_of(spec, Vocabulary({}), {}.get).to_json()
    assert len(listed) == MOST_VALUES + 1
    assert listed[-1] == {"left_out": 21}
    assert {value["coverage"] for value in listed[:-1]} == {"unknown"}
