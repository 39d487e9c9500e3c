"""Airway smooth muscle of four donors, untreated and with dexamethasone: counts."""

from __future__ import annotations

import tempfile
from pathlib import Path

import anndata
import pandas as pd

from worker.training.fetch import Artefacts
from worker.training.samples import CONTROL, SampleKind, Samples, labelled

SOURCE, STUDY, DEXAMETHASONE = "airway", "PRJNA229998", "CHEBI:41879"
MEMBER = "inmoose-0.9.1/inmoose/data/airway/airway.h5ad"
# Donor N061011 expresses XIST and no Y gene.
SEX = {"N61311": "male", "N052611": "male", "N080611": "male", "N061011": "female"}


def load(artefacts: Artefacts, genes: pd.DataFrame) -> Samples:  # noqa: ARG001
    """8 samples."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "airway.h5ad")
        path.write_bytes(artefacts.member("airway", MEMBER))
        data = anndata.read_h5ad(path)
    donors = data.obs["cell"].astype(str).tolist()
    treated = (data.obs["dex"].astype(str) == "trt").tolist()
    return labelled(
        data.to_df().T.astype(float),
        SOURCE,
        SampleKind.COUNTS,
        donor=donors,
        cell_type_ontology_id="CL:0019019",
        tissue_ontology_id="UBERON:0002048",
        sample_type="primary cells",
        sex=[SEX[donor] for donor in donors],
        study=STUDY,
        perturbation_ontology_id=[DEXAMETHASONE if on else "" for on in treated],
        perturbation_type=["compound" if on else CONTROL for on in treated],
    )
