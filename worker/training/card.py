"""The card of a model: what it is, was trained on, reaches, and may not claim; and reports on other data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.catalog import Manifest
from shared.queries.spec import Modality
from shared.queries.vocabulary import Vocabulary
from worker.inference.checkpoint import ModelSheet
from worker.inference.network import ExpressionNetwork
from worker.training.evaluation.plots.gallery import FOLDER, Drawn
from worker.training.evaluation.table import tally
from worker.training.fetch import pinned_sources
from worker.training.sheets import NOT_THE_HOSTED_MODEL

Sheet = ModelSheet | Manifest
TISSUES, CELL_TYPES, DISEASES = "tissue_ontology_id", "cell_type_ontology_id", "disease_ontology_id"

KNOWS = {
    Modality.BULK: """\
- {tissues} tissues, {cell_types} cell types and {diseases} diseases, most of them cancers, each asked for by
  its name alone; a term that was not trained on is answered as its nearest trained ancestor, or, where only
  classes of samples hold it, by a ridge regression on the ontology
- sex, on the genes of the sex chromosomes
- dexamethasone, dihydrotestosterone, IFN-gamma, Salmonella, and knock-downs of SRF, EGR1 and ATF3, in and
  near the cells in which they were measured
- how far replicates lie apart, and which genes vary together, as in the few studies with replicates""",
    Modality.SINGLE_CELL: """\
- average profiles of {cell_types} cell types, and of {tissues} tissues as the average of their cells
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
- Perturbations that are given together act with less than the sum of their effects on the log rate: n of them
  with n^-0.15 of it. That is a choice, not fitted, and was made knowing what it does to the figure below.
- The level of XIST in tissues is set from cells of other studies: the tissue tables lack that gene.""",
    Modality.SINGLE_CELL: """\
- **No single cell was seen in training**, only averages of clusters. How far cells of a type lie apart is an
  assumption (twice the spread of bulk replicates), not a measurement.
- Perturbations and diseases have no effect here; a cell type decides, whatever the tissue.
- XIST stands for sex only: the cell-type tables do not have that gene.""",
}
ATTRIBUTION = """\
**CC BY-SA 4.0.** The weights derive from the Human Protein Atlas (proteinatlas.org, Uhlen et al. 2015,
Karlsson et al. 2021), whose data are under CC BY-SA: who passes them on, or what was made from them, names
the Atlas, says that they were changed (nTPM turned into counts per million, and learnt by a network), and
keeps this licence."""


def write_card(
    sheet: Sheet, network: ExpressionNetwork, metrics: Mapping[str, Any], drawn: Sequence[Drawn] = ()
) -> str:
    """The card of a starter model, in Markdown; `drawn` are the pictures beside it."""
    modality = Modality(sheet.modality)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return f"""# {sheet.title}: `{sheet.model_id}`, version {sheet.version}

{NOT_THE_HOSTED_MODEL} Not for clinical use.

{network.num_genes:,} genes, {parameters / 1e6:.1f} million parameters.
A deep latent-variable model: priors p(z | metadata) of biological, technical and perturbation latents,
ontology terms embedded with their ancestors, a low-rank decoder to log rates, an encoder q(z | counts) for
reference conditioning, and classifiers on the latents for metadata prediction.

## Licence
{ATTRIBUTION}

## What it knows
{KNOWS[modality].format(**_numbers(network.vocabulary))}

## What it does not
{LIMITS[modality]}
- Nothing was learnt of age, race, ethnicity, genotype, developmental stage, platform, library, dose or time.
  Such values are accepted, echoed and reported as not informative.
- It recognises what it was trained on, and takes everything else for the nearest of that.

## Figures
{tally(metrics["figures"])} Taken on the weights as stored. r is Pearson's, over log1p CPM of
protein-coding genes; LFC r is that of the differences from the class mean; delta r that of treated minus
control. Goals are the figures of an earlier prototype and of simple baselines.
`genequeue evaluate {sheet.model_id}` takes them again.

{_table(metrics)}

{_pictures(drawn)}## Never trained on
Airway donor N061011, macrophage donor qaqx_1, every sample with IFN-gamma and Salmonella together, and
GTEx's own table but for artery, brain, nerve and uterus (the Atlas's consensus draws on GTEx too). For the
figures of left-out tissues, networks were trained without those, for that alone.

## Data
{_sources()}
"""


def write_report(
    sheet: Sheet, files: Sequence[Path], metrics: Mapping[str, Any], drawn: Sequence[Drawn]
) -> str:
    """What a model reaches on a user's files, in Markdown."""
    names = ", ".join(path.name for path in files)
    return f"""# `{sheet.model_id}`, version {sheet.version}, judged on {names}

Figures of samples that the model may or may not have been trained on: nobody but you knows.

{_table(metrics)}

{_pictures(drawn)}"""


def _numbers(vocabulary: Vocabulary) -> dict[str, int]:
    named = {"tissues": TISSUES, "cell_types": CELL_TYPES, "diseases": DISEASES}
    return {
        name: sum(1 for term in vocabulary.field(field).terms.values() if term.rows)
        for name, field in named.items()
    }


def _table(metrics: Mapping[str, Any]) -> str:
    return "\n".join(_rows(metrics["figures"]))


def _rows(figures: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "| figure | model | baseline | ceiling | goal | |"
    yield "|---|---|---|---|---|---|"
    for figure in figures:
        cells = [f"{figure[name]:g}" if name in figure else "" for name in ("value", "baseline", "ceiling")]
        goal = str(figure.get("goal", ""))
        if "reached" in figure:
            goal += ": reached" if figure["reached"] else ": **missed**"
        name = figure["name"].replace("|", r"\|")
        yield f"| {name} | {' | '.join(cells)} | {goal} | {figure.get('note', '')} |"


def _pictures(drawn: Sequence[Drawn]) -> str:
    if not drawn:
        return ""
    shown = "\n\n".join(f"![{each.caption}]({FOLDER}/{each.file})\n*{each.caption}*" for each in drawn)
    return f"## Pictures\n{shown}\n\n"


def _sources() -> str:
    return "\n".join(
        f"- {source['title']}. {source['version']}. {source['licence']}. {source['citation']}"
        for source in pinned_sources().values()
    )
