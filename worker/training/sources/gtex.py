"""GTEx tissues: mean TPM, as profiles in CPM. Four are trained on, the others judge the models."""

from __future__ import annotations

import pandas as pd

from worker.training.fetch import Artefacts
from worker.training.samples import SampleKind, Samples, labelled
from worker.training.sources.genes import counts_from_tpm
from worker.training.sources.r_objects import load_object
from worker.training.terms import published_terms

SOURCE, STUDY = "gtex", "GTEx"


def load(artefacts: Artefacts, genes: pd.DataFrame) -> Samples:
    """The tissues that the Human Protein Atlas does not have."""
    return _tissues(artefacts, genes, "gtex")


def load_judges(artefacts: Artefacts, genes: pd.DataFrame) -> Samples:
    """25 tissues that the Human Protein Atlas has too; never trained on."""
    return _tissues(artefacts, genes, "gtex_judges")


def _tissues(artefacts: Artefacts, genes: pd.DataFrame, section: str) -> Samples:
    terms = published_terms(section)
    table = load_object(artefacts.path("gtex"))["GTEx-Combine"]["expressionData"]
    values = counts_from_tpm(table[list(terms)].astype(float), genes)
    return labelled(
        values,
        SOURCE,
        SampleKind.PROFILE,
        tissue_ontology_id=list(terms.values()),
        sample_type="primary tissue",
        sex=["female" if name == "Uterus" else "" for name in values],
        study=STUDY,
    )
