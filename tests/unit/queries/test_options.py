"""The top level of a query: what is required, what it defaults to, what does not belong there."""

from __future__ import annotations

import pytest

from shared.queries.rules import ModelRules
from shared.queries.spec import SamplingStrategy
from tests.unit.queries.conftest import Check, Refuse, query_of


def test_the_least_query_takes_the_models_defaults(
    check: Check, bulk: ModelRules, single_cell: ModelRules
) -> None:
    spec = check(query_of())
    assert (spec.model_id, spec.sampling_strategy) == ("gem-1-bulk", SamplingStrategy.MEAN_ESTIMATION)
    assert (spec.total_count, spec.deterministic_latents, spec.seed, spec.source) == (
        10_000_000,
        False,
        None,
        None,
    )
    assert check(query_of(), rules=single_cell).total_count == 10_000


def test_whole_floats_are_integers(check: Check) -> None:
    spec = check(query_of(total_count=5e6, seed=10.0))
    assert (spec.total_count, spec.seed) == (5_000_000, 10)
    assert isinstance(spec.total_count, int)
    assert isinstance(spec.seed, int)


def test_null_counts_as_unset(check: Check) -> None:
    unset = dict.fromkeys(("total_count", "deterministic_latents", "seed", "source"))
    assert check(query_of(**unset)) == check(query_of())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("total_count", 0),
        ("total_count", 2_000_000_001),
        ("total_count", 1.5),
        ("total_count", True),
        ("total_count", "1000"),
        ("total_count", float("nan")),
        ("total_count", float("inf")),
        pytest.param("total_count", 10**5000, id="total_count-huge"),
        ("seed", -1),
        ("seed", 2**63),
        ("seed", [1]),
        ("deterministic_latents", 1),
        ("deterministic_latents", "true"),
        ("source", 5),
        ("source", "nul\x00"),
        ("sampling_strategy", "mean"),
        ("sampling_strategy", ["mean estimation"]),
    ],
)
def test_a_value_out_of_its_kind_or_range_is_refused_at_its_path(
    refuse: Refuse, name: str, value: object
) -> None:
    assert list(refuse(query_of(**{name: value}))) == [name]


def test_the_limits_stand_in_the_message(refuse: Refuse) -> None:
    assert "from 1 to 2,000,000,000" in refuse(query_of(total_count=0))["total_count"]


def test_seeds_reach_to_63_bits(check: Check) -> None:
    assert check(query_of(seed=2**63 - 1)).seed == 2**63 - 1
    assert check(query_of(seed=0)).seed == 0


@pytest.mark.parametrize("missing", [{}, {"sampling_strategy": None}])
def test_a_missing_strategy_is_told_with_the_choices(refuse: Refuse, missing: dict[str, object]) -> None:
    message = refuse({"inputs": query_of()["inputs"]} | missing)["sampling_strategy"]
    assert "required" in message
    assert '"mean estimation", "sample generation"' in message


def test_a_misspelt_strategy_is_corrected(refuse: Refuse) -> None:
    message = refuse(query_of(sampling_strategy="Sample_Generation"))["sampling_strategy"]
    assert 'Did you mean "sample generation"?' in message


def test_a_single_cell_model_refuses_sample_generation_by_name(
    refuse: Refuse, check: Check, single_cell: ModelRules
) -> None:
    query = query_of(sampling_strategy="sample generation")
    message = refuse(query, rules=single_cell)["sampling_strategy"]
    assert '"sample generation"' in message
    assert "gem-1-sc" in message
    assert check(query).sampling_strategy is SamplingStrategy.SAMPLE_GENERATION


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("total_counts", 'Did you mean "total_count"?'),
        ("samplingStrategy", "sampling_strategy"),
        ("foo", "The options are"),
        ("modality", "remove it"),
        ("num_samples", "inputs"),
        ("sex", "metadata"),
        ("conditioning", "gem-1-bulk_reference-conditioning"),
        ("fixed_total_count", "gem-1-bulk_reference-conditioning"),
        ("webhook_uri", 'Did you mean "webhook_url"?'),
    ],
)
def test_what_does_not_belong_at_the_top_is_named_with_a_remedy(refuse: Refuse, name: str, said: str) -> None:
    assert said in refuse(query_of(**{name: 1}))[name]


@pytest.mark.parametrize("body", [None, [], "query", 3, True, [query_of()]])
def test_a_query_that_is_no_object_is_refused(refuse: Refuse, body: object) -> None:
    faults = refuse(body)
    assert list(faults) == [""]
    assert "must be an object" in faults[""]


def test_what_the_clients_add_is_accepted(check: Check) -> None:
    assert check(query_of(source="pysynthbio")).source == "pysynthbio"
