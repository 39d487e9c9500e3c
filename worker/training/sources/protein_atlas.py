"""Human Protein Atlas tissues and cell types, and TCGA cancers: published averages, as profiles in CPM."""

from __future__ import annotations

import io
from collections.abc import Mapping

import pandas as pd

from worker.training.fetch import Artefacts
from worker.training.samples import SampleKind, Samples, counts_per_million, labelled
from worker.training.sources.genes import counts_from_tpm
from worker.training.terms import published_terms

BULK, SINGLE_CELL = (
    "pirlygenes/data/pan-cancer-expression.csv",
    "pirlygenes/data/hpa-cell-type-expression.csv",
)
TISSUES, CANCERS, CELL_TYPES = "hpa_tissue", "tcga", "hpa_cell_type"
MALE = ("testis", "prostate", "seminal_vesicle", "epididymis", "PRAD", "TGCT")
FEMALE = (
    "ovary",
    "endometrium",
    "cervix",
    "fallopian_tube",
    "placenta",
    "vagina",
    "OV",
    "UCEC",
    "UCS",
    "CESC",
)


def load_tissues(artefacts: Artefacts, genes: pd.DataFrame) -> Samples:
    """Consensus nTPM of 50 healthy tissues."""
    values = counts_from_tpm(_table(artefacts, BULK, "nTPM_"), genes)
    return labelled(
        values,
        TISSUES,
        SampleKind.PROFILE,
        tissue_ontology_id=_terms("tissue", values),
        sample_type="primary tissue",
        sex=[_sex(name) for name in _names(values)],
        study="HPA",
    )


def load_cancers(artefacts: Artefacts, genes: pd.DataFrame) -> Samples:
    """Median FPKM of 33 cancers."""
    values = counts_from_tpm(_table(artefacts, BULK, "FPKM_"), genes)
    terms = published_terms("cancer")
    return labelled(
        values,
        CANCERS,
        SampleKind.PROFILE,
        disease_ontology_id=[terms[name][0] for name in _names(values)],
        tissue_ontology_id=[terms[name][1] for name in _names(values)],
        sample_type="primary tissue",
        sex=[_sex(name) for name in _names(values)],
        study="TCGA",
    )


def load_cell_types(artefacts: Artefacts, genes: pd.DataFrame) -> Samples:  # noqa: ARG001
    """nTPM of 81 cell types from clustered single cells; no length bias, so nTPM are CPM."""
    values = counts_per_million(_table(artefacts, SINGLE_CELL, ""))
    return labelled(
        values,
        CELL_TYPES,
        SampleKind.PROFILE,
        cell_type_ontology_id=_terms("cell_type", values),
        sample_type="primary tissue",
        study="HPA-single-cell",
    )


def _table(artefacts: Artefacts, member: str, prefix: str) -> pd.DataFrame:
    table = pd.read_csv(io.BytesIO(artefacts.member("protein_atlas", member)))
    table = table.drop_duplicates("Ensembl_Gene_ID").set_index("Ensembl_Gene_ID").drop(columns="Symbol")
    columns = [name for name in table.columns.astype(str) if name.startswith(prefix)]
    return table[columns].fillna(0.0).rename(columns=lambda name: name.removeprefix(prefix))


def _names(values: pd.DataFrame) -> list[str]:
    return [str(name) for name in values]


def _terms(kind: str, values: pd.DataFrame) -> list[str]:
    terms: Mapping[str, str] = published_terms(kind)
    return [terms[name] for name in _names(values)]


def _sex(name: str) -> str:
    if name in MALE:
        return "male"
    return "female" if name in FEMALE else ""
