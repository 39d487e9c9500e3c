"""The inputs of a query, also in the shapes that R gives them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.queries.rules import Limits, ModelRules
from tests.unit.queries.conftest import Check, Refuse, query_of


def one(**more: Any) -> dict[str, Any]:
    return {"metadata": {"sex": "male"}, "num_samples": 2} | more


def test_inputs_keep_their_order_and_sizes(check: Check) -> None:
    spec = check(query_of(inputs=[one(), one(num_samples=3.0)]))
    assert [item.num_samples for item in spec.inputs] == [2, 3]
    assert spec.num_samples == 5


def test_a_lone_object_is_a_list_of_one(check: Check) -> None:
    assert check(query_of(inputs=one())) == check(query_of(inputs=[one()]))


def test_an_empty_list_is_how_r_writes_empty_metadata(check: Check) -> None:
    assert check(query_of(inputs=one(metadata=[]))) == check(query_of(inputs=one(metadata={})))


@pytest.mark.parametrize("inputs", [[], None, "liver", 3, True])
def test_inputs_must_be_a_list_with_something_in_it(refuse: Refuse, inputs: object) -> None:
    assert "a list of one or more" in refuse(query_of(inputs=inputs))["inputs"]


@pytest.mark.parametrize("item", [None, 3, "liver", []])
def test_an_input_must_be_an_object(refuse: Refuse, item: object) -> None:
    assert list(refuse(query_of(inputs=[one(), item]))) == ["inputs[1]"]


@pytest.mark.parametrize("metadata", ["liver", 5, ["sex"], None])
def test_metadata_must_be_an_object(refuse: Refuse, metadata: object) -> None:
    assert list(refuse(query_of(inputs=[one(metadata=metadata)]))) == ["inputs[0].metadata"]


@pytest.mark.parametrize("number", [0, -1, 1.5, "2", True, None, 1_000_001, [1]])
def test_num_samples_must_be_a_whole_number_within_the_limit_that_is_named(
    refuse: Refuse, number: object
) -> None:
    faults = refuse(query_of(inputs=[one(num_samples=number)]))
    assert "from 1 to 1,000,000" in faults["inputs[0].num_samples"]


def test_what_an_input_lacks_is_named(refuse: Refuse) -> None:
    assert list(refuse(query_of(inputs=[{}]))) == ["inputs[0].metadata", "inputs[0].num_samples"]


def test_all_samples_together_are_limited(refuse: Refuse, check: Check) -> None:
    inputs = [one(num_samples=600_000), one(num_samples=400_001)]
    assert "1,000,001 samples" in refuse(query_of(inputs=inputs))["inputs"]
    inputs[1]["num_samples"] = 400_000
    assert check(query_of(inputs=inputs)).num_samples == 1_000_000


def test_the_number_of_inputs_is_limited(refuse: Refuse, bulk: ModelRules) -> None:
    rules = replace(bulk, limits=Limits(inputs=2))
    assert "3 inputs" in refuse(query_of(inputs=[one()] * 3), rules=rules)["inputs"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("counts", "gem-1-bulk_reference-conditioning and gem-1-bulk_predict-metadata"),
        ("sex", "move it there"),
        ("num_sample", 'Did you mean "num_samples"?'),
        ("foo", 'Its keys are "metadata", "num_samples", "custom_id".'),
    ],
)
def test_unknown_keys_of_an_input_are_named_with_a_remedy(refuse: Refuse, name: str, said: str) -> None:
    assert said in refuse(query_of(inputs=[one(**{name: [1]})]))[f"inputs[0].{name}"]


def test_num_samples_inside_metadata_is_pointed_out(refuse: Refuse) -> None:
    slip = {"metadata": {"num_samples": 3}}
    faults = refuse(query_of(inputs=[slip]))
    assert "move it one level up" in faults["inputs[0].metadata.num_samples"]
    assert "inputs[0].num_samples" in faults


def test_every_fault_is_reported_at_once(refuse: Refuse) -> None:
    bad: dict[str, Any] = {
        "metadata": {"sex": "femal", "tissue_ontology_id": "UBERON:9999999", "sexx": 1},
        "num_samples": 0,
    }
    faults = refuse({"inputs": [bad, bad, 5], "total_count": -1, "seed": 1.5, "foo": 0})
    expected = {"sampling_strategy", "total_count", "seed", "foo", "inputs[2]"}
    for index in (0, 1):
        expected |= {f"inputs[{index}].num_samples"}
        expected |= {f"inputs[{index}].metadata.{key}" for key in bad["metadata"]}
    assert faults.keys() == expected


def test_beyond_a_thousand_faults_the_rest_is_left_unread(refuse: Refuse) -> None:
    faults = refuse(query_of(inputs=[one(num_samples=0)] * 50_000))
    assert len(faults) == 1_001
    assert "first 1,000 faults" in faults[""]


def test_an_input_may_have_a_name_of_its_owners(check: Check) -> None:
    spec = check(query_of(inputs=[one(custom_id=" a/1 "), one(), one(custom_id="b")]))
    assert [item.custom_id for item in spec.inputs] == ["a/1", "", "b"]


@pytest.mark.parametrize("custom_id", ["", "  ", "x" * 129, 7, "a\nb", ["a"]])
def test_a_custom_id_is_a_text_of_1_to_128_characters(refuse: Refuse, custom_id: object) -> None:
    assert list(refuse(query_of(inputs=[one(custom_id=custom_id)]))) == ["inputs[0].custom_id"]


def test_a_custom_id_given_twice_is_refused_with_both_places(refuse: Refuse) -> None:
    inputs = [one(custom_id=name) for name in ("a", "b", "a", "a")]
    faults = refuse(query_of(inputs=inputs))
    assert list(faults) == ["inputs[2].custom_id", "inputs[3].custom_id"]
    assert all("'a' is the custom_id of inputs[0] already" in message for message in faults.values())


def test_a_custom_id_inside_metadata_is_pointed_out(refuse: Refuse) -> None:
    faults = refuse(query_of(inputs=[one(metadata={"custom_id": "a"})]))
    assert "move it one level up" in faults["inputs[0].metadata.custom_id"]
