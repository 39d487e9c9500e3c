"""A comparison says what SciPy says of all samples at once, and refuses what cannot be compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats

from shared.errors import InvalidInput
from shared.results.groups import Group
from shared.results.part import COUNTS, counts_matrix
from shared.results.selection import Inputs
from tests.support.sources import GENES, SYMBOLS, samples, source_of
from worker.artifacts.comparison import compare, comparison_json, write_comparison
from worker.artifacts.moments import Moments, log_cpm

PARTS = [samples(70), samples(50, 70)]
MALE = Group(metadata=(("sex", ("male",)),))
FEMALE = Group(metadata=(("sex", ("female",)),))


def all_values() -> np.ndarray:
    return np.concatenate([log_cpm(counts_matrix(part.column(COUNTS), len(GENES))) for part in PARTS])


def test_log_cpm_does_not_depend_on_depth_and_survives_an_empty_sample() -> None:
    counts = np.array([[1, 3, 6], [10, 30, 60], [0, 0, 0]], np.int32)
    found = log_cpm(counts)
    assert found[0] == pytest.approx(found[1])
    assert found[0] == pytest.approx(np.log2(np.array([1e5, 3e5, 6e5]) + 1))
    assert found[2].tolist() == [0, 0, 0]


def test_moments_of_parts_are_the_moments_of_the_whole() -> None:
    values = all_values() + 1e6  # far from zero: squares would lose the variance
    moments = Moments(len(GENES))
    for some in np.array_split(values, 7):
        moments.add(some)
    assert moments.mean == pytest.approx(values.mean(0))
    assert moments.variance == pytest.approx(values.var(0, ddof=1), rel=1e-6)


def test_it_is_welchs_test_with_adjusted_p_values() -> None:
    found = compare(source_of(PARTS), MALE, FEMALE).table.sort_by("ensembl_id")
    values, male = all_values(), np.arange(120) // 10 % 2 == 0
    expected = stats.ttest_ind(values[male], values[~male], equal_var=False)
    assert found["t"].to_numpy() == pytest.approx(expected.statistic)
    assert found["p_value"].to_numpy() == pytest.approx(expected.pvalue)
    assert found["p_adjusted"].to_numpy() == pytest.approx(stats.false_discovery_control(expected.pvalue))
    change = values[male].mean(0) - values[~male].mean(0)
    assert found["log2_fold_change"].to_numpy() == pytest.approx(change)


def test_the_genes_that_differ_come_first_and_are_lower_in_a() -> None:
    table = compare(source_of(PARTS), MALE, FEMALE).table
    assert set(table["ensembl_id"].to_pylist()[:10]) == set(GENES[:10])
    assert max(table["log2_fold_change"].to_pylist()[:10]) < -1


def test_genes_that_do_not_vary_have_no_p_value() -> None:
    constant = [
        pa.concat_tables([samples(10).slice(0, 1)] * 4),
        pa.concat_tables([samples(20).slice(19)] * 4),
    ]
    by_input = Group(Inputs(((0, 0),))), Group(Inputs(((1, 1),)))
    table = compare(source_of(constant), *by_input).table
    assert table["p_value"].null_count == len(GENES)
    assert np.isfinite(table["log2_fold_change"].to_numpy()).all()


@pytest.mark.parametrize(
    ("a", "b", "says"),
    [
        (MALE, MALE, "in both groups"),
        (MALE, Group(metadata=(("sex", ("unknown",)),)), "Group b (sex unknown) has no samples"),
        (Group(Inputs(((500, 600),))), MALE, "Group a (inputs 500-600) has no samples"),
        (Group(Inputs(custom_ids=("c0",))), Group(Inputs(((0, 3),))), "in both groups"),
    ],
)
def test_groups_that_cannot_be_compared_are_refused(a: Group, b: Group, says: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        compare(source_of(PARTS), a, b)
    assert says in str(refused.value)


def test_one_sample_on_a_side_is_too_few() -> None:
    parts = [samples(11)]
    with pytest.raises(InvalidInput, match=r"Group b \(inputs 1\) has 1 sample; .* at least 2"):
        compare(source_of(parts), Group(Inputs(((0, 0),))), Group(Inputs(((1, 1),))))


def test_a_group_is_read_again_as_it_was_kept() -> None:
    group = Group(Inputs(((0, 3),), ("c9",)), (("sex", ("male", "female")),))
    assert Group.from_json(orjson.loads(orjson.dumps(group.to_json()))) == group


def test_both_files_say_the_same(tmp_path: Path) -> None:
    source = source_of(PARTS)
    comparison = compare(source, MALE, FEMALE)
    content = orjson.loads(comparison_json(comparison, source, MALE, FEMALE))
    write_comparison(comparison, source, tmp_path / "compared.parquet")
    table = pq.read_table(tmp_path / "compared.parquet")
    assert content["genes"] == table.to_pylist()
    assert content["groups"]["a"] == {"samples": 60, "is": "sex male"}
    assert {row["symbol"] for row in content["genes"]} == set(SYMBOLS)
