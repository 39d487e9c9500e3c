"""Whole blood of 31 people with HIV, 15 of whom have tuberculosis as well: counts by gene symbol."""

from __future__ import annotations

import numpy as np
import pandas as pd

from worker.training.fetch import Artefacts
from worker.training.samples import SampleKind, Samples, labelled
from worker.training.sources.genes import by_symbol
from worker.training.sources.r_objects import column, load_object

SOURCE, STUDY = "tb_hiv", "Verma2018"
HIV, TUBERCULOSIS = "MONDO:0005109", "MONDO:0018076"
DISEASES = {"hiv_only": HIV, "tb_hiv": f"{HIV}|{TUBERCULOSIS}"}


def load(artefacts: Artefacts, genes: pd.DataFrame) -> Samples:
    """31 samples."""
    experiment = load_object(artefacts.path("tb_hiv"))
    names = [f"{SOURCE}_{sample}" for sample in column(experiment, "Sample")]
    ids = pd.Series([str(name) for name in experiment.NAMES]).map(by_symbol(genes))
    counts = pd.DataFrame(np.asarray(experiment.assays.data.listData["counts"], dtype=float), columns=names)
    return labelled(
        counts.groupby(ids.to_numpy()).sum(),
        SOURCE,
        SampleKind.COUNTS,
        donor=names,
        tissue_ontology_id="UBERON:0000178",
        disease_ontology_id=[DISEASES[name] for name in column(experiment, "Disease")],
        sample_type="primary tissue",
        study=STUDY,
    )
