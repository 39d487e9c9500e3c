"""K562 cells with an shRNA against SRF, EGR1 or ATF3, switched off and on: coverage counts of recount."""

from __future__ import annotations

import numpy as np
import pandas as pd

from worker.training.fetch import Artefacts
from worker.training.samples import CONTROL, SampleKind, Samples, labelled
from worker.training.sources.r_objects import column, load_object

SOURCE, STUDY = "k562", "SRP009615"
READ_LENGTH = 36  # bases; recount counts covered bases, not reads
TARGETS = {"SRF": "ENSG00000112658", "EGR1": "ENSG00000120738", "ATF3": "ENSG00000162772"}


def load(artefacts: Artefacts, genes: pd.DataFrame) -> Samples:  # noqa: ARG001
    """12 samples: two replicates of each target, uninduced and induced."""
    experiment = load_object(artefacts.path("k562"))
    titles = column(experiment, "title")
    coverage = next(iter(experiment.assays.data.listData.values()))
    ids = [str(name).partition(".")[0] for name in experiment.rowRanges.ranges.NAMES]
    names = [f"{SOURCE}_{position}" for position in range(len(titles))]
    values = pd.DataFrame(np.asarray(coverage) / READ_LENGTH, index=ids, columns=names).groupby(level=0).sum()
    targets = [next(gene for gene in TARGETS if gene in title) for title in titles]
    induced = ["uninduced" not in title for title in titles]
    return labelled(
        values,
        SOURCE,
        SampleKind.COUNTS,
        donor=targets,
        cell_line_ontology_id="CVCL_0004",
        sample_type="cell line",
        sex="",  # a woman's cells that no longer express XIST
        study=STUDY,
        perturbation_ontology_id=[
            TARGETS[gene] if on else "" for gene, on in zip(targets, induced, strict=True)
        ],
        perturbation_type=["shrna" if on else CONTROL for on in induced],
    )
