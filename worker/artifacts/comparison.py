"""Differential expression between two groups of samples: Welch's t on log CPM, Benjamini-Hochberg.

Welch, B. L. (1947), Biometrika 34; Benjamini and Hochberg (1995), JRSS B 57; both as SciPy has them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy import stats

from shared.errors import InvalidInput
from shared.results.groups import Group
from worker.artifacts.moments import Moments, log_cpm, pieces
from worker.artifacts.source import Source

METHOD = "Welch's t-test of log2(CPM + 1), p-values adjusted by Benjamini and Hochberg"
_FEWEST = 2


@dataclass(frozen=True, slots=True)
class Comparison:
    """A row for each gene, the surest first, and how many samples either group had."""

    table: pa.Table
    samples: tuple[int, int]


def compare(source: Source, a: Group, b: Group) -> Comparison:
    """Compare group a with group b; a fold change above zero is more in a.

    Raises InvalidInput for groups that cannot be compared.
    """
    moments = Moments(source.num_genes), Moments(source.num_genes)
    for part in source.parts():
        masks = a.mask(part), b.mask(part)
        if both := int(np.count_nonzero(masks[0] & masks[1])):
            raise InvalidInput(f"At least {both} samples are in both groups: a is {a}, b is {b}.")
        if not (masks[0].any() or masks[1].any()):
            continue
        counts = source.counts(part)
        for each, mask in zip(moments, masks, strict=True):
            for some in pieces(counts[mask]):
                each.add(log_cpm(some))
    for name, group, each in (("a", a, moments[0]), ("b", b, moments[1])):
        if each.rows < _FEWEST:
            raise InvalidInput(
                f"Group {name} ({group}) has {each.rows or 'no'} sample{'' if each.rows == 1 else 's'}; a "
                f"comparison needs at least {_FEWEST} on either side."
            )
    return Comparison(_tested(source, *moments), (moments[0].rows, moments[1].rows))


def _tested(source: Source, a: Moments, b: Moments) -> pa.Table:
    spread = [np.sqrt(each.variance) for each in (a, b)]
    with np.errstate(invalid="ignore", divide="ignore"):
        test = stats.ttest_ind_from_stats(
            a.mean, spread[0], a.rows, b.mean, spread[1], b.rows, equal_var=False
        )
    # Where nothing varies there is no test: no statistic is infinite, and no p-value is made up.
    tested = np.isfinite(test.statistic) & np.isfinite(test.pvalue)
    adjusted = np.full(len(tested), np.nan)
    if tested.any():
        adjusted[tested] = stats.false_discovery_control(test.pvalue[tested])
    columns = {
        "ensembl_id": pa.array(source.header.gene_order, pa.string()),
        "symbol": pa.array(source.symbols, pa.string()),
        "mean_a": pa.array(a.mean),
        "mean_b": pa.array(b.mean),
        "log2_fold_change": pa.array(a.mean - b.mean),
        "t": _numbers(test.statistic, tested),
        "p_value": _numbers(test.pvalue, tested),
        "p_adjusted": _numbers(adjusted, tested),
    }
    return pa.table(columns).take(np.lexsort((-np.abs(a.mean - b.mean), np.where(tested, test.pvalue, 2.0))))


def _numbers(values: NDArray[np.float64], known: NDArray[np.bool_]) -> pa.Array:
    return pa.array(values, mask=~known)


def comparison_json(comparison: Comparison, source: Source, a: Group, b: Group) -> bytes:
    """The whole of it, for a reader without a Parquet library."""
    groups = {
        name: {"samples": samples, "is": str(group)}
        for name, group, samples in zip("ab", (a, b), comparison.samples, strict=True)
    }
    return orjson.dumps(
        {
            **source.provenance,
            "method": METHOD,
            "groups": groups,
            "genes": comparison.table.to_pylist(),
        }
    )


def write_comparison(comparison: Comparison, source: Source, path: Path) -> None:
    """As Parquet, a row for each gene."""
    about = {
        "method": METHOD,
        "samples": orjson.dumps(dict(zip("ab", comparison.samples, strict=True))),
        "provenance": orjson.dumps(dict(source.provenance)),
    }
    table = comparison.table.replace_schema_metadata(about)
    pq.write_table(table, path, compression="zstd")
