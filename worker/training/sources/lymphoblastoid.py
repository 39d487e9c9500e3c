"""Lymphoblastoid lines of 69 Yoruba and 60 European people, with their sex: counts."""

from __future__ import annotations

import numpy as np
import pandas as pd

from worker.training.fetch import Artefacts
from worker.training.samples import SampleKind, Samples, labelled
from worker.training.sources.r_objects import expression_set

YORUBA, EUROPEAN = "pickrell", "montgomery"
RPS4Y1 = "ENSG00000129824"
Y_EXPRESSED = 50.0  # CPM of RPS4Y1; the men have 50 and more, the women 42 and less


def load_yoruba(artefacts: Artefacts, genes: pd.DataFrame) -> Samples:  # noqa: ARG001
    """Pickrell's 69 lines."""
    return _load(artefacts, 0, YORUBA, "GSE19480")


def load_european(artefacts: Artefacts, genes: pd.DataFrame) -> Samples:  # noqa: ARG001
    """Montgomery's 60 lines. A gene without one read in all of them was not counted, XIST among them."""
    return _load(artefacts, 1, EUROPEAN, "E-MTAB-197")


def _load(artefacts: Artefacts, position: int, source: str, study: str) -> Samples:
    values, people = expression_set(artefacts.paths("lymphoblastoid")[position])
    values = values[values.index.str.startswith("ENSG")]
    values = values[values.sum(axis=1) > 0]
    reported = people.gender.loc[values.columns].astype(str).to_numpy()
    y_gene = (values.loc[RPS4Y1] / values.sum() * 1e6).to_numpy()
    # One line that is called female expresses the Y chromosome: its label is not used.
    sex = np.where((reported == "female") & (y_gene > Y_EXPRESSED), "", reported)
    return labelled(
        values,
        source,
        SampleKind.COUNTS,
        donor=values.columns.tolist(),
        cell_type_ontology_id="CL:0000236",
        sample_type="cell line",
        sex=sex.tolist(),
        study=study,
    )
