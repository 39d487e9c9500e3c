"""A look at a result: library sizes, detected genes, genes that vary, and samples in a plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from shared.results.part import METADATA_COLUMNS
from worker.artifacts.moments import Moments, log_cpm, pieces
from worker.artifacts.projection import places_shown, project
from worker.artifacts.source import Source

MOST_GROUPS, MOST_GENES = 100, 50
# Of genes that are hardly there, a mean in log CPM below this, variance says nothing.
_EXPRESSED = 1.0


class _Gathered:
    """What is kept of each sample: its group, library size, detected genes, and some samples' log CPM."""

    def __init__(self, source: Source, samples: int) -> None:
        self.moments = Moments(source.num_genes)
        self.shown = places_shown(samples, source.num_genes)
        self.values = np.empty((len(self.shown), source.num_genes), np.float32)
        self.indices: list[NDArray[np.int32]] = []
        self.sizes: list[NDArray[np.int64]] = []
        self.detected: list[NDArray[np.int64]] = []
        self.groups: dict[tuple[str, ...], int] = {}
        self.group_of: list[int] = []
        self._seen = 0

    def add(self, source: Source, part: pa.Table) -> None:
        counts = source.counts(part)
        self.sizes.append(counts.sum(1, dtype=np.int64))
        self.detected.append(np.count_nonzero(counts, axis=1))
        self.indices.append(_indices(part))
        for key in zip(*(part.column(name).to_pylist() for name in METADATA_COLUMNS), strict=True):
            self.group_of.append(self.groups.setdefault(key, len(self.groups)))
        for some in pieces(counts):
            values = log_cpm(some)
            self.moments.add(values)
            first, last = np.searchsorted(self.shown, (self._seen, self._seen + len(some)))
            self.values[first:last] = values[self.shown[first:last] - self._seen]
            self._seen += len(some)


def summarise(source: Source, samples: int) -> bytes:
    """The summary of so many samples, as JSON."""
    gathered = _Gathered(source, samples)
    for part in source.parts():
        gathered.add(source, part)
    sizes, detected = np.concatenate(gathered.sizes), np.concatenate(gathered.detected)
    summary = {
        **source.provenance,
        "samples": samples,
        "genes": source.num_genes,
        "library_size": _spread(sizes),
        "detected_genes": _spread(detected),
        "groups_total": len(gathered.groups),
        "groups": _groups(gathered, sizes, detected),
        "variable_genes": _variable(source, gathered.moments),
        "projection": _projection(gathered),
    }
    return orjson.dumps(summary, option=orjson.OPT_SERIALIZE_NUMPY)


def _indices(part: pa.Table) -> NDArray[np.int32]:
    """Which sample of which input each row is, [N, 2]; a prediction is sample 0."""
    inputs = part.column("input_index").to_numpy()
    has = "sample_index" in part.column_names
    samples = part.column("sample_index").to_numpy() if has else np.zeros_like(inputs)
    return np.stack([inputs, samples], 1).astype(np.int32)


def _spread(values: NDArray[np.int64]) -> dict[str, float]:
    names = ("min", "q25", "median", "q75", "max")
    quantiles = np.quantile(values, (0, 0.25, 0.5, 0.75, 1))
    return {
        **{name: float(value) for name, value in zip(names, quantiles, strict=True)},
        "mean": float(values.mean()),
    }


def _groups(
    gathered: _Gathered, sizes: NDArray[np.int64], detected: NDArray[np.int64]
) -> list[dict[str, Any]]:
    """Samples of one condition, the first hundred conditions; fields that nobody set are left out."""
    group_of = np.array(gathered.group_of)
    order = np.argsort(group_of, kind="stable")
    ends = np.searchsorted(group_of[order], np.arange(min(len(gathered.groups), MOST_GROUPS) + 1))
    shown = []
    for number, key in enumerate(list(gathered.groups)[:MOST_GROUPS]):
        rows = order[ends[number] : ends[number + 1]]
        shown.append(
            {
                "group": number,
                "metadata": _set(key),
                "samples": len(rows),
                "library_size": _spread(sizes[rows]),
                "detected_genes": _spread(detected[rows]),
            }
        )
    return shown


def _set(key: Sequence[str]) -> dict[str, str]:
    return {name: value for name, value in zip(METADATA_COLUMNS, key, strict=True) if value}


def _variable(source: Source, moments: Moments) -> list[dict[str, Any]]:
    """The genes whose log CPM vary most for their mean: by dispersion, variance over mean."""
    mean, variance = moments.mean, moments.variance
    dispersion = np.where(mean >= _EXPRESSED, variance / np.maximum(mean, _EXPRESSED), 0.0)
    places = np.argsort(-dispersion, kind="stable")[:MOST_GENES]
    return [
        {
            "ensembl_id": source.header.gene_order[place],
            "symbol": source.symbols[place],
            "mean_log2_cpm": float(mean[place]),
            "variance": float(variance[place]),
            "dispersion": float(dispersion[place]),
        }
        for place in places
        if dispersion[place] > 0
    ]


def _projection(gathered: _Gathered) -> dict[str, Any]:
    found = project(gathered.values)
    indices = np.concatenate(gathered.indices)[gathered.shown]
    return {
        "method": "principal components of log2(CPM + 1)",
        "explained_variance": found.explained,
        "points": [
            {
                "input_index": int(index[0]),
                "sample_index": int(index[1]),
                "group": gathered.group_of[place],
                "x": float(x),
                "y": float(y),
            }
            for place, index, (x, y) in zip(gathered.shown, indices, found.coordinates, strict=True)
        ],
    }
