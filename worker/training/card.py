"""The card of a model: what it is, was trained on, reaches, and may not claim. For people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.queries.spec import Modality
from worker.inference.checkpoint import ModelSheet
from worker.inference.network import ExpressionNetwork
from worker.training.fetch import pinned_sources
from worker.training.sheets import NOT_THE_HOSTED_MODEL

KNOWS = {
    Modality.BULK: """\
- reference profiles of 54 tissues, 81 cell types and 33 cancers, each asked for by its name alone; a term
  that was not trained on is answered as its nearest trained ancestor
- sex, on the genes of the sex chromosomes
- dexamethasone, dihydrotestosterone, IFN-gamma, Salmonella, and knock-downs of SRF, EGR1 and ATF3, in and
  near the cells in which they were measured; effects add up in the logarithm
- how far replicates lie apart, as in the few studies with replicates""",
    Modality.SINGLE_CELL: """\
- average profiles of 81 cell types, and of 54 tissues as the average of their cells
- sex, on the genes of the sex chromosomes""",
}
LIMITS = {
    Modality.BULK: """\
- A cell type's profile comes from averaged single cells, not from sorted cells.
- Whole blood was measured in people with HIV only (and in leukaemia): blood without a disease is theirs.
- An unset disease means healthy for every tissue but blood.
- Where no data combine two labels, the more specific decides (cell line, cell type, disease, tissue), and the
  sample type has no effect: a B cell of the lung is a B cell.
- A perturbation that was not trained on has no effect, nor has a trained one of a type it was not seen with.
- The level of XIST in tissues is set from cells of other studies: the tissue tables lack that gene.""",
    Modality.SINGLE_CELL: """\
- **No single cell was seen in training**, only averages of clusters. How far cells of a type lie apart is an
  assumption (twice the spread of bulk replicates), not a measurement.
- Perturbations and diseases have no effect here; a cell type decides, whatever the tissue.
- XIST stands for sex only: the cell-type tables do not have that gene.""",
}


def write_card(sheet: ModelSheet, network: ExpressionNetwork, metrics: Mapping[str, Any]) -> str:
    """The card, in Markdown."""
    modality = Modality(sheet.modality)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return f"""# {sheet.title}: `{sheet.model_id}`, version {sheet.version}

{NOT_THE_HOSTED_MODEL} Not for clinical use.

{network.num_genes:,} genes, {parameters / 1e6:.1f} million parameters, licence {sheet.licence}.
A deep latent-variable model: priors p(z | metadata) of biological, technical and perturbation latents,
ontology terms embedded with their ancestors, a low-rank decoder to log rates. The encoder is not part of the
checkpoint.

## What it knows
{KNOWS[modality]}

## What it does not
{LIMITS[modality]}
- Nothing was learnt of age, race, ethnicity, genotype, developmental stage, platform, library, dose or time.
  Such values are accepted, echoed and reported as not informative.

## Figures
Taken when the model was trained, on its weights as stored. r is Pearson's, over log1p CPM of protein-coding
genes; LFC r is that of the differences from the class mean; delta r that of treated minus control.

{_table(metrics)}

Never trained on: airway donor N061011, macrophage donor qaqx_1, every sample with IFN-gamma and Salmonella
together, and GTEx's own table but for artery, brain, nerve and uterus (the Atlas's consensus draws on GTEx
too).

## Data
{_sources()}

The Human Protein Atlas's data are under CC BY-SA, and so are these weights.
"""


def _table(metrics: Mapping[str, Any]) -> str:
    rows = ["| figure | model | baseline | ceiling | |", "|---|---|---|---|---|"]
    for figure in metrics["figures"]:
        cells = [f"{figure[name]:g}" if name in figure else "" for name in ("value", "baseline", "ceiling")]
        rows.append(f"| {figure['name']} | {' | '.join(cells)} | {figure.get('note', '')} |")
    return "\n".join(rows)


def _sources() -> str:
    return "\n".join(
        f"- {source['title']}. {source['version']}. {source['licence']}. {source['citation']}"
        for source in pinned_sources().values()
    )
