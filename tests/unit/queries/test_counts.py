"""A count vector: what is one, and what is said of one that is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidInput
from shared.queries.counts import read_counts
from shared.queries.requests import RequestType
from shared.queries.rules import Limits, ModelRules


@pytest.fixture(scope="module")
def rules(bulk: ModelRules) -> ModelRules:
    return replace(bulk, request_type=RequestType.PREDICT_METADATA, num_genes=4)


def refusal(value: object, rules: ModelRules) -> str:
    with pytest.raises(InvalidInput) as refused:
        read_counts(value, rules)
    return str(refused.value)


@pytest.mark.parametrize(
    "value", [[904, 0, 61, 2], [904.0, 0.0, 61.0, 2.0], [904, 0.0, 6.1e1, 2], [9, -0.0, 0, 0]]
)
def test_whole_numbers_of_0_or_more_are_counts_however_they_are_written(
    rules: ModelRules, value: list[float]
) -> None:
    counts = read_counts(value, rules)
    assert counts.dtype == np.int32
    assert counts.tolist() == value


def test_a_lone_number_is_a_list_of_one(rules: ModelRules) -> None:
    assert read_counts(7, replace(rules, num_genes=1)).tolist() == [7]


@pytest.mark.parametrize(
    ("value", "place", "said"),
    [
        ([1, 2, -3, 4], 2, "-3"),
        ([1, 2.5, 3, 4], 1, "2.5"),
        ([1, 2, 3, float("nan")], 3, "not finite"),
        ([float("inf"), 2, 3, 4], 0, "not finite"),
        ([1, True, 3, 4], 1, "true"),
        ([1, "2", 3, 4], 1, "'2'"),
        ([None, 2, 3, 4], 0, "null"),
        ([1, 2, [3], 4], 2, "a list"),
        ([1, 2, 3, 10**40], 3, "30 digits"),
        ([1, 2, 3, 2**63], 3, str(2**63)),
        ([1, 2, 3, -(2**70)], 3, str(-(2**70))),
        ([1, 2, 3, 2_000_000_001], 3, "2000000001"),
        ([-1, -2, 0.5, "x"], 0, "-1"),
    ],
)
def test_the_first_number_that_is_no_count_is_named_with_its_place_and_a_remedy(
    rules: ModelRules, value: object, place: int, said: str
) -> None:
    message = refusal(value, rules)
    assert message.startswith(said) or said in message
    assert f"at place {place} " in message
    assert "raw counts" in message


def test_a_wrong_length_says_both_lengths_and_where_the_genes_are(rules: ModelRules) -> None:
    for value in ([1, 2, 3], [1, 2, 3, 4, 5], []):
        message = refusal(value, rules)
        assert f"{len(value)} counts are sent" in message
        assert "a list of 4 counts" in message
        assert "/api/models/gem-1-bulk_predict-metadata/genes" in message


@pytest.mark.parametrize("value", [None, "counts", {"ENSG00000000003": 4}])
def test_what_is_no_list_is_refused_with_the_order_to_write(rules: ModelRules, value: object) -> None:
    assert "one for each gene of the model" in refusal(value, rules)


def test_a_sample_without_a_count_is_none_and_one_beyond_32_bits_neither(rules: ModelRules) -> None:
    assert "Every count is 0" in refusal([0, 0, 0, 0.0], rules)
    assert "add up to 2,000,000,001" in refusal([2_000_000_000, 1, 0, 0], rules)
    assert read_counts([2_000_000_000, 0, 0, 0], rules).sum(dtype=np.int64) == 2_000_000_000


odd = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.integers(10**30, 10**40)
)


@given(value=st.lists(st.integers(0, 50) | st.integers(0, 50).map(float), min_size=4, max_size=4), bad=odd)
def test_reading_all_at_once_and_one_by_one_agree(
    rules: ModelRules, value: list[object], bad: object
) -> None:
    """A vector is refused if, and only if, one of its numbers read alone is."""
    mixed = [*value[:3], bad]
    limits = Limits(total_count=100)
    alone = isinstance(bad, int | float) and not isinstance(bad, bool) and 0 <= bad <= 100 and bad == int(bad)
    try:
        counts = read_counts(mixed, replace(rules, limits=limits))
    except InvalidInput:
        assert not alone or sum(mixed) > 100 or sum(mixed) == 0  # type: ignore[arg-type]
    else:
        assert alone
        assert counts.tolist() == mixed
