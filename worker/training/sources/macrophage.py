"""Macrophages of six female donors, naive or with interferon gamma, Salmonella or both: Salmon counts."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from worker.training.fetch import Artefacts
from worker.training.samples import CONTROL, SampleKind, Samples, labelled
from worker.training.sources.r_objects import load_object

SOURCE, STUDY = "macrophage", "PRJEB18997"
IFNG, SALMONELLA = "ENSG00000111537", "90371"
# Condition in the publication to perturbation terms and their types.
CONDITIONS = {
    "naive": ("", CONTROL),
    "IFNg": (IFNG, "peptide or biologic"),
    "SL1344": (SALMONELLA, "infection"),
    "IFNg_SL1344": (f"{IFNG}|{SALMONELLA}", "peptide or biologic|infection"),
}


def load(artefacts: Artefacts, genes: pd.DataFrame) -> Samples:  # noqa: ARG001
    """24 samples; transcripts are summed to genes."""
    *quantifications, sheet_path = artefacts.paths("macrophage")
    sheet = pd.read_csv(sheet_path).set_index("names")
    transcripts = load_object(artefacts.path("transcripts"))
    gene_of = dict(zip(transcripts.enstxp, transcripts.ensgene, strict=True))
    values = pd.DataFrame(
        {path.name.partition(".")[0]: _gene_counts(path, gene_of) for path in quantifications}
    )
    sheet = sheet.loc[values.columns]
    return labelled(
        values,
        SOURCE,
        SampleKind.COUNTS,
        donor=sheet.line_id.tolist(),
        cell_type_ontology_id="CL:0000235",
        sample_type="primary cells",
        sex="female",
        study=STUDY,
        perturbation_ontology_id=[CONDITIONS[name][0] for name in sheet.condition_name],
        perturbation_type=[CONDITIONS[name][1] for name in sheet.condition_name],
    )


def _gene_counts(path: Path, gene_of: dict[str, str]) -> pd.Series:
    table = pd.read_csv(path, sep="\t", usecols=["Name", "NumReads"])
    genes = table["Name"].str.partition(".")[0].map(gene_of)
    return table["NumReads"].groupby(genes).sum()
