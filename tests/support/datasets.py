"""Data sets made up for tests of the training room: counts with known factors, and profiles beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import anndata
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from worker.training.dataset import MEASURED, Dataset
from worker.training.samples import LABEL_FIELDS, SampleKind

READS = 1e6


def data_set(
    cpm: NDArray[np.floating], labels: Sequence[Mapping[str, str]], held_out: Sequence[int] = ()
) -> Dataset:
    """Samples [N, G]; a label may set `source` and `kind` beside the fields of metadata. All is measured."""
    names = [str(row) for row in range(len(cpm))]
    basic = {"source": "study", "kind": SampleKind.COUNTS.value, "donor": ""}
    table = pd.DataFrame(
        [basic | dict.fromkeys(LABEL_FIELDS, "") | dict(label) for label in labels], index=names
    )
    genes = pd.DataFrame(
        {"symbol": [f"G{gene}" for gene in range(cpm.shape[1])], "length": 1000, "biotype": "protein_coding"},
        index=[f"ENSG{gene:011d}" for gene in range(cpm.shape[1])],
    )
    values = np.asarray(cpm, np.float32)
    data = anndata.AnnData(values, obs=table, var=genes, layers={MEASURED: np.ones(values.shape, bool)})
    depth = np.where(table["kind"] == SampleKind.COUNTS, READS, 0.0).astype(np.float32)
    return Dataset(data, depth, np.isin(np.arange(len(cpm)), held_out))


def replicates(
    loadings: NDArray[np.floating], own_sd: float, number: int, seed: int, scale: float = 1.0
) -> NDArray[np.float64]:
    """CPM [number, G] of replicates varying by factors with `loadings` [K, G], own noise, and counting."""
    random = np.random.default_rng(seed)
    rank, genes = loadings.shape
    level = random.normal(0.0, 1.0, genes)
    shared = random.normal(size=(number, rank)) @ loadings
    rate = np.exp(level + scale * (shared + own_sd * random.normal(size=(number, genes))))
    counts = random.poisson(rate / rate.sum(axis=1, keepdims=True) * READS)
    return counts / counts.sum(axis=1, keepdims=True) * 1e6
