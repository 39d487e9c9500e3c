"""All sources as one table: values, which genes each sample measured, and labels. Knows no model."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Protocol

import anndata
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from worker.training.fetch import Artefacts
from worker.training.samples import SampleKind, Samples, counts_per_million
from worker.training.sources import (
    airway,
    genes,
    gtex,
    k562,
    lncap,
    lymphoblastoid,
    macrophage,
    protein_atlas,
    tb_hiv,
)

Loader = Callable[[Artefacts, pd.DataFrame], Samples]
LOADERS: tuple[Loader, ...] = (
    protein_atlas.load_tissues,
    protein_atlas.load_cell_types,
    protein_atlas.load_cancers,
    gtex.load,
    airway.load,
    macrophage.load,
    lymphoblastoid.load_yoruba,
    lymphoblastoid.load_european,
    k562.load,
    lncap.load,
    tb_hiv.load,
)
SPLITS = Path(__file__).with_name("splits.toml")
MEASURED = "measured"
# An lncRNA is kept where a quarter of the samples of a study, and at least two, express it.
EXPRESSED_CPM, EXPRESSED_SHARE, EXPRESSED_SAMPLES = 1.0, 0.25, 2


class Reading(NamedTuple):
    """Some samples: log1p CPM [B, G], 0 where not measured, and which genes were measured [B, G]."""

    log1p_cpm: NDArray[np.float32]
    measured: NDArray[np.bool_]


class TrainingData(Protocol):
    """What a network is trained on: labels and genes in memory, values read a few samples at a time."""

    @property
    def labels(self) -> pd.DataFrame:
        """A row for each sample: `source`, `kind`, `donor` and fields of metadata, "" where unset."""

    @property
    def genes(self) -> pd.DataFrame:
        """Symbol, length and biotype of all genes, by Ensembl id in ascending order."""

    @property
    def depth(self) -> NDArray[np.float32]:
        """[samples] reads; 0 for a profile."""

    @property
    def held_out(self) -> NDArray[np.bool_]:
        """[samples] which only judge."""

    @property
    def is_profile(self) -> NDArray[np.bool_]:
        """[samples] whether a sample is a published average rather than read counts."""

    @property
    def strata(self) -> pd.Series:
        """[samples] of which stratum a sample is; small ones are drawn more often."""

    def read(self, rows: NDArray[np.int64]) -> Reading:
        """The values of some samples, in the order of `rows`."""

    def in_memory(self) -> Dataset:
        """These data, or as fair a part of them as memory holds, for what is computed in closed form."""


@dataclass(frozen=True)
class Dataset:
    """Samples by genes in CPM (0 where not measured) with layer `measured`; `held_out` samples only judge."""

    table: anndata.AnnData
    depth: NDArray[np.float32]  # [samples] reads; 0 for a profile
    held_out: NDArray[np.bool_]  # [samples]

    @property
    def labels(self) -> pd.DataFrame:
        """The labels of all samples."""
        labels: pd.DataFrame = self.table.obs
        return labels

    @property
    def genes(self) -> pd.DataFrame:
        """Symbol, length and biotype of all genes, by Ensembl id in ascending order."""
        genes: pd.DataFrame = self.table.var
        return genes

    @property
    def cpm(self) -> NDArray[np.float32]:
        """[samples, genes] counts per million."""
        return np.asarray(self.table.X)

    @property
    def measured(self) -> NDArray[np.bool_]:
        """[samples, genes] whether the sample's source measured the gene."""
        return np.asarray(self.table.layers[MEASURED])

    @property
    def is_profile(self) -> NDArray[np.bool_]:
        """[samples] whether a sample is a published average rather than read counts."""
        return (self.labels["kind"] == SampleKind.PROFILE).to_numpy()

    @property
    def strata(self) -> pd.Series:
        """[samples] the source that each is from."""
        return self.labels["source"]

    def read(self, rows: NDArray[np.int64]) -> Reading:
        """The values of some samples, in the order of `rows`."""
        return Reading(self._log1p_cpm[rows], self.measured[rows])

    def in_memory(self) -> Dataset:
        """All of it."""
        return self

    @cached_property
    def _log1p_cpm(self) -> NDArray[np.float32]:
        logarithms: NDArray[np.float32] = np.log1p(self.cpm)
        return logarithms


def load_sources(artefacts: Artefacts) -> Iterator[tuple[str, Samples]]:
    """Every source in turn, with the name of its loader."""
    gene_table = genes.load(artefacts)
    for loader in LOADERS:
        yield f"{loader.__module__.rpartition('.')[2]}.{loader.__name__}", loader(artefacts, gene_table)


def build(artefacts: Artefacts) -> Dataset:
    """Read all sources and put them side by side on one list of genes."""
    gene_table = genes.load(artefacts)
    loaded = [samples for _, samples in load_sources(artefacts)]
    chosen = gene_table.loc[_chosen_genes(loaded, gene_table)]
    labels = pd.concat([samples.labels for samples in loaded])
    aligned = [samples.values.reindex(chosen.index).T for samples in loaded]
    values = pd.concat(aligned)
    measured = values.notna().to_numpy()
    reads = values.sum(axis=1)
    depth = reads.where(labels.kind.to_numpy() == SampleKind.COUNTS, 0.0).to_numpy(dtype=np.float32)
    cpm = counts_per_million(values.T).T.fillna(0.0).to_numpy(dtype=np.float32)
    table = anndata.AnnData(cpm, obs=labels, var=chosen, layers={MEASURED: measured})
    table.obs_names_make_unique()
    return Dataset(table, depth, held_out(labels))


def _chosen_genes(loaded: list[Samples], gene_table: pd.DataFrame) -> list[str]:
    """What the profiles measure, and the lncRNA that real samples express."""
    chosen: set[str] = set()
    for samples in loaded:
        if (samples.labels.kind == SampleKind.PROFILE).all():
            chosen.update(samples.values.index)
            continue
        expressed = (counts_per_million(samples.values) > EXPRESSED_CPM).sum(axis=1)
        needed = max(EXPRESSED_SAMPLES, EXPRESSED_SHARE * samples.values.shape[1])
        chosen.update(expressed.index[expressed >= needed])
    return [gene for gene in gene_table.index if gene in chosen]


def held_out(labels: pd.DataFrame) -> NDArray[np.bool_]:
    """Which samples `splits.toml` keeps from training."""
    split = tomllib.loads(SPLITS.read_text())["held_out"]
    donors = labels.donor.isin(split["donors"])
    combinations = labels.perturbation_ontology_id.isin(split["combinations"])
    return (donors | combinations).to_numpy()
