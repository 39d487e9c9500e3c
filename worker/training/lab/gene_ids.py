"""Which genes of the files a model gets: human Ensembl ids without versions, each once."""

from __future__ import annotations

import csv
import gzip
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shared.ontology.terms import Ontologies

# Beside the starter models lies what Ensembl says of their genes; an installation may lack it.
GENE_TABLE = Path(__file__).resolve().parents[3] / "models" / "gem-1-bulk" / "genes.csv.gz"
COLUMNS = ("symbol", "biotype", "length")
_HUMAN = re.compile(r"(ENSG[0-9]{11})(?:\.[0-9]+)?")
_PSEUDOAUTOSOMAL = re.compile(r"ENSG[0-9]{11}(?:\.[0-9]+)?_PAR_Y")
_OTHER_SPECIES = re.compile(r"ENS[A-Z]{3,}G[0-9]{11}(?:\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class GeneIds:
    """The var_names of one file: ids of those that are kept, "" elsewhere; the dropped by reason; doubles."""

    ids: tuple[str, ...]
    dropped: Mapping[str, tuple[str, ...]]
    doubles: tuple[str, ...]

    @property
    def kept(self) -> NDArray[np.bool_]:
        """[genes of the file] which have an id."""
        return np.array([bool(gene) for gene in self.ids], bool)


def read_gene_ids(names: Iterable[str]) -> GeneIds:
    """Strip versions, and sort out what is not the id of a human gene."""
    ids: list[str] = []
    dropped: dict[str, list[str]] = {}
    for name in names:
        found = _HUMAN.fullmatch(name.strip())
        ids.append(found[1] if found else "")
        if not found:
            dropped.setdefault(_reason(name.strip()), []).append(name)
    doubles = [gene for gene, number in Counter(filter(None, ids)).items() if number > 1]
    return GeneIds(tuple(ids), {why: tuple(each) for why, each in dropped.items()}, tuple(doubles))


def describe_genes(ids: Iterable[str], ontologies: Ontologies) -> pd.DataFrame:
    """Symbol, biotype and length (0 where unknown) by id; an unknown gene has its id as its symbol."""
    known, genes = _gene_table(GENE_TABLE), sorted(ids)
    rows = [known.get(gene) or (ontologies.label(gene) or gene, "unknown", 0) for gene in genes]
    return pd.DataFrame(rows, index=genes, columns=list(COLUMNS))


def is_known(gene: str, ontologies: Ontologies) -> bool:
    """Whether the gene table or the list of human genes has it."""
    if gene in _gene_table(GENE_TABLE):
        return True
    term = ontologies.get(gene)
    return bool(term and term.verified)


def _reason(name: str) -> str:
    if _PSEUDOAUTOSOMAL.fullmatch(name):
        return "the Y copy of a gene on X"
    if _OTHER_SPECIES.fullmatch(name):
        return "a gene of another species"
    return "not an Ensembl id"


@cache
def _gene_table(path: Path) -> Mapping[str, tuple[str, str, int]]:
    if not path.is_file():
        return {}
    with gzip.open(path, "rt", newline="") as lines:
        return {
            row["ensembl_id"]: (row["symbol"], row["biotype"], int(row["length"]))
            for row in csv.DictReader(lines)
        }
