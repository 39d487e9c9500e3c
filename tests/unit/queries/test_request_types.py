"""Queries that bring counts along: what they may say, what they default to, and whom they are meant for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import QueryRejected
from shared.ontology.terms import Ontologies
from shared.queries.check import check_query
from shared.queries.forms import FORMS
from shared.queries.options import READERS, pinned_version
from shared.queries.requests import RequestType
from shared.queries.rules import ModelRules
from shared.queries.spec import QuerySpec, SamplingStrategy
from tests.unit.queries.conftest import Check, Refuse
from tests.unit.queries.test_any_json import anything, mostly, nearly_good_metadata

COUNTS = [904, 0, 61, 2, 33]


@pytest.fixture(scope="module")
def near(bulk: ModelRules) -> ModelRules:
    """A bulk model of five genes, asked for samples near a reference."""
    return replace(bulk, request_type=RequestType.REFERENCE_CONDITIONED, num_genes=5)


@pytest.fixture(scope="module")
def what(near: ModelRules) -> ModelRules:
    """The same model, asked what a sample is."""
    return replace(near, request_type=RequestType.PREDICT_METADATA)


def reference(metadata: object = None, **more: Any) -> dict[str, Any]:
    """A query with one reference; `more` sets or overrides what stands at its top level."""
    one = {"metadata": metadata if metadata is not None else {}, "num_samples": 2, "counts": COUNTS}
    return {"sampling_strategy": "mean estimation", "inputs": [one]} | more


def test_every_request_type_has_one_form_and_every_option_a_reader() -> None:
    assert FORMS.keys() == set(RequestType)
    for form in FORMS.values():
        assert set(form.options) <= READERS.keys()


def test_a_reference_query_takes_the_library_size_of_its_reference(check: Check, near: ModelRules) -> None:
    spec = check(reference(), rules=near)
    assert spec.model_id == "gem-1-bulk_reference-conditioning"
    assert spec.conditioning == ("biological", "technical")
    assert (spec.fixed_total_count, spec.total_count, spec.notes) == (False, 10_000_000, ())
    assert spec.inputs[0].counts is not None
    assert spec.inputs[0].counts.tolist() == COUNTS


def test_a_fixed_total_count_is_the_given_one_or_the_default(check: Check, near: ModelRules) -> None:
    assert check(reference(fixed_total_count=True), rules=near).total_count == 10_000_000
    spec = check(reference(fixed_total_count=True, total_count=5e6), rules=near)
    assert (spec.fixed_total_count, spec.total_count, spec.notes) == (True, 5_000_000, ())


def test_a_total_count_that_does_not_hold_is_noted(check: Check, near: ModelRules) -> None:
    (note,) = check(reference(total_count=5), rules=near).notes
    assert note.startswith("total_count: it has no effect")
    assert "fixed_total_count" in note


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("technical", ("technical",)),
        (["perturbation", "biological"], ("biological", "perturbation")),
        (["technical", "technical"], ("technical",)),
        (None, ("biological", "technical")),
    ],
)
def test_conditioning_is_any_set_of_latents_and_a_lone_one_a_list(
    check: Check, near: ModelRules, written: object, read: tuple[str, ...]
) -> None:
    assert check(reference(conditioning=written), rules=near).conditioning == read


@pytest.mark.parametrize("written", [[], ["biology"], [3], {"biological": True}, True, ["biological", None]])
def test_what_is_no_set_of_latents_is_refused_with_their_names(
    refuse: Refuse, near: ModelRules, written: object
) -> None:
    assert (
        '"biological", "technical", "perturbation"'
        in refuse(reference(conditioning=written), rules=near)["conditioning"]
    )


@pytest.mark.parametrize("metadata", [[], {}, None])
def test_the_metadata_of_a_reference_may_be_empty_or_absent(
    check: Check, near: ModelRules, metadata: object
) -> None:
    query = reference()
    query["inputs"][0]["metadata"] = metadata
    absent = reference()
    del absent["inputs"][0]["metadata"]
    assert check(query, rules=near) == check(absent, rules=near) == check(reference(), rules=near)


def test_a_reference_takes_metadata_of_its_perturbation_only(
    check: Check, refuse: Refuse, near: ModelRules
) -> None:
    perturbed = {"perturbation_ontology_id": "CHEBI:41879", "perturbation_dose": "10 um"}
    assert check(reference(perturbed), rules=near).inputs[0].metadata == perturbed
    faults = refuse(reference(perturbed | {"sex": "male", "sexx": 1, "counts": []}), rules=near)
    assert faults.keys() == {f"inputs[0].metadata.{key}" for key in ("sex", "sexx", "counts")}
    assert "taken from the counts" in faults["inputs[0].metadata.sex"]
    assert "query gem-1-bulk " in faults["inputs[0].metadata.sex"]
    assert "one level up" in faults["inputs[0].metadata.counts"]


def test_perturbation_metadata_beside_a_conditioned_perturbation_are_noted(
    check: Check, near: ModelRules
) -> None:
    given = reference({"perturbation_ontology_id": "CHEBI:41879"})
    assert check(given, rules=near).notes == ()
    (note,) = check(given | {"conditioning": ["perturbation"]}, rules=near).notes
    assert note.startswith("inputs[0].metadata: it has no effect")
    assert check(reference(conditioning="perturbation"), rules=near).notes == ()


def test_a_prediction_needs_counts_and_nothing_else(check: Check, what: ModelRules) -> None:
    spec = check({"inputs": {"counts": COUNTS}, "source": "rsynthbio"}, rules=what)
    assert spec.model_id == "gem-1-bulk_predict-metadata"
    assert (spec.num_samples, spec.inputs[0].metadata, spec.fixed_total_count) == (1, {}, False)
    assert spec.sampling_strategy is SamplingStrategy.MEAN_ESTIMATION
    fixed = check({"inputs": [{"counts": COUNTS}] * 3, "total_count": 500}, rules=what)
    assert (fixed.num_samples, fixed.fixed_total_count, fixed.total_count) == (3, True, 500)


def test_a_prediction_takes_a_strategy_and_says_that_it_matters_not(check: Check, what: ModelRules) -> None:
    asked = {"inputs": [{"counts": COUNTS}]}
    assert check(asked | {"sampling_strategy": "mean estimation"}, rules=what).notes == ()
    (note,) = check(asked | {"sampling_strategy": "sample generation"}, rules=what).notes
    assert note.startswith("sampling_strategy: it has no effect")


def test_a_query_to_the_wrong_sibling_is_told_the_right_one(
    refuse: Refuse, near: ModelRules, what: ModelRules
) -> None:
    conditions = {"metadata": {"sex": "male"}, "num_samples": 2}
    faults = refuse({"sampling_strategy": "mean estimation", "inputs": [conditions]}, rules=near)
    assert "query gem-1-bulk." in faults["inputs[0].counts"]
    faults = refuse(reference(conditioning="technical"), rules=what)
    assert "gem-1-bulk and gem-1-bulk_reference-conditioning" in faults["inputs[0].metadata"]
    assert "gem-1-bulk_reference-conditioning" in faults["conditioning"]


def test_faults_of_counts_stand_at_their_inputs_all_at_once(refuse: Refuse, near: ModelRules) -> None:
    bad = [{"num_samples": 1, "counts": counts} for counts in (COUNTS, [1], [0] * 5, [-1] * 5, None)]
    faults = refuse(reference(inputs=[*bad, {"num_samples": 0}]), rules=near)
    expected = {f"inputs[{index}].counts" for index in range(1, 6)} | {"inputs[5].num_samples"}
    assert faults.keys() == expected


@pytest.mark.parametrize(("kind", "keys"), [(kind, form.keys) for kind, form in FORMS.items()])
def test_the_example_is_accepted_as_it_is_and_its_keys_stand_in_order(
    check: Check, near: ModelRules, kind: RequestType, keys: tuple[str, ...]
) -> None:
    rules = replace(near, request_type=kind)
    own = {
        "sampling_strategy": "mean estimation",
        "inputs": [{"metadata": {"sex": "male"}, "num_samples": 2}],
    }
    example = FORMS[kind].example(rules, own, COUNTS)
    assert [tuple(item) for item in example["inputs"]] == [tuple(key for key in keys if key != "custom_id")]
    assert check(dict(example), rules=rules).notes == ()


@pytest.mark.parametrize(
    ("query", "version"),
    [
        ({"model_version": 2}, 2),
        ({"model_version": 2.0}, 2),
        ({"model_version": "2"}, None),
        ({"model_version": 0}, None),
        ({}, None),
        ([2], None),
    ],
)
def test_a_query_may_pin_a_version(query: object, version: int | None) -> None:
    assert pinned_version(query) == version


def test_a_version_that_is_none_is_a_fault_of_its_own(refuse: Refuse, check: Check, near: ModelRules) -> None:
    assert list(refuse(reference(model_version="2"), rules=near)) == ["model_version"]
    assert check(reference(model_version=2), rules=near).model_version == 2


good_counts = st.lists(st.integers(0, 9) | st.just(10.0), min_size=5, max_size=5)
nearly_good = st.fixed_dictionaries(
    {
        "inputs": mostly(
            st.lists(
                st.fixed_dictionaries(
                    {"counts": mostly(good_counts)},
                    optional={
                        "metadata": nearly_good_metadata | st.just([]),
                        "num_samples": mostly(st.integers(1, 20)),
                    },
                ),
                max_size=4,
            )
        )
    },
    optional={
        "sampling_strategy": mostly(st.just("mean estimation")),
        "conditioning": mostly(st.lists(st.sampled_from(["biological", "technical", "perturbation"]))),
        "fixed_total_count": mostly(st.booleans()),
        "model_version": mostly(st.just(1)),
    },
)


@settings(max_examples=150)
@given(body=anything | nearly_good, kind=st.sampled_from(RequestType))
def test_any_json_gives_a_spec_or_faults_fit_to_be_shown(
    near: ModelRules, ontologies: Ontologies, body: object, kind: RequestType
) -> None:
    rules = replace(near, request_type=kind)
    try:
        spec = check_query(body, rules, ontologies)
    except QueryRejected as rejection:
        for fault in rejection.faults:
            assert fault.message.strip()
            assert (fault.path + fault.message).isprintable()
    else:
        assert isinstance(spec, QuerySpec)
        has_counts = kind is not RequestType.BASELINE
        assert all((item.counts is not None) is has_counts for item in spec.inputs)
