"""A made-up laboratory: samples of two tissues, some of them treated, as a user's h5ad files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from shared.ontology.terms import Ontologies
from worker.training.lab.check import Checked, check
from worker.training.lab.request import LabRequest

LIVER, LUNG, DRUG = "UBERON:0002107", "UBERON:0002048", "CHEBI:41879"
TISSUE, PERTURBATION, TYPE = "tissue_ontology_id", "perturbation_ontology_id", "perturbation_type"
RAISED, FOLD = 7, 8.0  # the gene that the drug raises, and by how much
READS = 3e5


@dataclass
class Lab:
    """Counts [samples, genes], labels and gene names; change what a test is about, then `write`."""

    counts: NDArray[np.float64]
    obs: pd.DataFrame
    var_names: list[str]

    @classmethod
    def make(cls, samples: int = 60, genes: int = 300, seed: int = 0, donors: int = 0) -> Lab:
        """Half liver, half lung; every second sample treated with a drug that raises one gene eightfold."""
        random = np.random.default_rng(seed)
        rates = np.exp(np.random.default_rng(1).normal(0, 1.5, (2, genes)))
        rates[:, RAISED] = np.median(rates)
        tissue, treated = np.arange(samples) % 2, np.arange(samples) // 2 % 2
        rate = rates[tissue] * np.exp(random.normal(0, 0.15, (samples, genes)))
        rate[treated == 1, RAISED] *= FOLD
        counts = random.poisson(rate / rate.sum(axis=1, keepdims=True) * READS).astype(float)
        obs = {
            TISSUE: np.where(tissue == 0, LIVER, LUNG),
            PERTURBATION: np.where(treated == 1, DRUG, ""),
            TYPE: np.where(treated == 1, "compound", "control"),
        }
        if donors:
            obs["donor"] = np.array([f"D{number}" for number in np.arange(samples) // 4 % donors])
        names = [f"s{number}" for number in range(samples)]
        return cls(counts, pd.DataFrame(obs, index=names), [ensembl(number) for number in range(genes)])

    def write(
        self, path: Path, *, as_sparse: bool = False, layers: dict[str, Any] | None = None, x: Any = None
    ) -> Path:
        """Write the file; `x` stands in for the counts."""
        values = self.counts if x is None else x
        matrix = sparse.csr_matrix(values.astype(np.float32)) if as_sparse else values.astype(np.float32)
        # As plain objects: anndata writes no strings of Arrow's.
        var = pd.DataFrame(index=pd.Index(self.var_names, dtype=object))
        obs = self.obs.astype({name: object for name in self.obs if self.obs[name].dtype == "str"})
        obs.index = pd.Index(list(obs.index), dtype=object)
        anndata.AnnData(matrix, obs=obs, var=var, layers=layers).write_h5ad(path)
        return path


def ensembl(number: int) -> str:
    """The id of a made-up gene."""
    return f"ENSG{number + 90_000_000_000:011d}"


def request(*paths: Path, **options: Any) -> LabRequest:
    """A request with everything left open."""
    return LabRequest(tuple(map(str, paths)), **{"model_id": "my-lab", "out": "out", **options})


def checked(*paths: Path) -> Checked:
    """The files, read through."""
    return check(request(*paths), Ontologies.open())
