"""LNCaP cells, four controls and three with dihydrotestosterone: counts by lane."""

from __future__ import annotations

import pandas as pd

from worker.training.fetch import Artefacts
from worker.training.samples import CONTROL, SampleKind, Samples, labelled

SOURCE, STUDY, DIHYDROTESTOSTERONE = "lncap", "Li2008", "CHEBI:16330"
TREATED = ("lane5", "lane6", "lane8")


def load(artefacts: Artefacts, genes: pd.DataFrame) -> Samples:  # noqa: ARG001
    """7 samples."""
    values = pd.read_csv(artefacts.path("lncap"), sep="\t", index_col="genes").astype(float)
    treated = [lane in TREATED for lane in values]
    return labelled(
        values.rename(columns=lambda lane: f"{SOURCE}_{lane}"),
        SOURCE,
        SampleKind.COUNTS,
        cell_line_ontology_id="CVCL_0395",
        sample_type="cell line",
        sex="male",
        study=STUDY,
        perturbation_ontology_id=[DIHYDROTESTOSTERONE if on else "" for on in treated],
        perturbation_type=["compound" if on else CONTROL for on in treated],
    )
