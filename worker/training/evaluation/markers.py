"""Do the genes that everybody knows stand where they belong: markers of tissues and cells, and sex genes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from worker.training.batches import Y_GENES
from worker.training.evaluation.figures import Figure
from worker.training.evaluation.profiles import CELL_TYPE, TISSUE
from worker.training.evaluation.subject import Subject
from worker.training.sources.protein_atlas import CELL_TYPES, TISSUES

GROUP = "Markers"
TISSUE_MARKERS = {
    "ALB": "UBERON:0002107",
    "INS": "UBERON:0001264",
    "TG": "UBERON:0002046",
    "UMOD": "UBERON:0002113",
    "SFTPC": "UBERON:0002048",
    "PRM1": "UBERON:0000473",
    "KLK3": "UBERON:0002367",
    "GH1": "UBERON:0000007",
    "RHO": "UBERON:0000966",
    "PTH": "UBERON:0001132",
    "CYP11B1": "UBERON:0002369",
    "NPPA": "UBERON:0002349",
    "PGA3": "UBERON:0000945",
}
CELL_MARKERS = {
    "MS4A1": "CL:0000236",
    "CD3D": "CL:0000084",
    "NKG7": "CL:0000623",
    "RHO": "CL:0000604",
    "GFAP": "CL:0000127",
    "MBP": "CL:0000128",
    "CD1A": "CL:0000453",
    "TNNT2": "CL:0000746",
    "SFTPC": "CL:0002063",
    "INS": "CL:0008024",
    "PRM1": "CL:4030037",
    "DEFA5": "CL:0000510",
}
SEXED_TISSUES = ("UBERON:0002107", "UBERON:0002048", "UBERON:0000955", "UBERON:0001134", "UBERON:0001155")


def marker_figures(subject: Subject) -> Iterator[Figure]:
    """How many markers are highest where they belong, and by how much the four of the promise stand out."""
    for field, source, markers in ((TISSUE, TISSUES, TISSUE_MARKERS), (CELL_TYPE, CELL_TYPES, CELL_MARKERS)):
        terms = sorted(set(subject.data.labels[field].iloc[subject.rows(source)]))
        predicted = subject.predictor.mean([{field: (term,)} for term in terms])
        right = [
            terms[int(predicted[:, subject.by_symbol[gene]].argmax())] == term
            for gene, term in markers.items()
        ]
        kind = "tissues" if field == TISSUE else "cell types"
        yield Figure(
            GROUP, f"markers highest in their own, {kind}", float(sum(right)), note=f"of {len(right)}"
        )


def ratio(subject: Subject, gene: str, field: str, term: str) -> float:
    """A gene's CPM under one term over its mean under the class's other terms that do not overlap with it."""
    source = TISSUES if field == TISSUE else CELL_TYPES
    terms = sorted(set(subject.data.labels[field].iloc[subject.rows(source)]))
    vocabulary = subject.predictor.network.vocabulary.field(field)
    others = [t for t in terms if term not in vocabulary.closure([t]) and t not in vocabulary.closure([term])]
    values = subject.predictor.mean([{field: (t,)} for t in (term, *others)])[:, subject.by_symbol[gene]]
    return float(values[0] / values[1:].mean())


def promise_figures(subject: Subject) -> Iterator[Figure]:
    """The markers that GeneQueue promises: at least ten times their mean elsewhere."""
    promised = (
        ("ALB in liver", "ALB", TISSUE, "UBERON:0002107"),
        ("MYH7 in heart", "MYH7", TISSUE, "UBERON:0000948"),
        ("MYH7 in myocardium", "MYH7", TISSUE, "UBERON:0002349"),
        ("INS in pancreas", "INS", TISSUE, "UBERON:0001264"),
        ("MS4A1 in B cells", "MS4A1", CELL_TYPE, "CL:0000236"),
    )
    for name, gene, field, term in promised:
        yield Figure(
            GROUP, f"{name}, over the mean elsewhere", ratio(subject, gene, field, term), baseline=1.0
        )


def sex_figures(subject: Subject) -> Iterator[Figure]:
    """XIST and RPS4Y1 between the sexes, and how much else the label of sex changes."""
    queries = [{TISSUE: (tissue,), "sex": (sex,)} for sex in ("female", "male") for tissue in SEXED_TISSUES]
    women, men = np.split(subject.predictor.mean(queries), 2)
    xist, y_gene = subject.by_symbol["XIST"], subject.by_symbol["RPS4Y1"]
    yield Figure(
        "Sex", "XIST, female over male", float((women / men)[:, xist].min()), 1.0, note="least of 5 tissues"
    )
    yield Figure(
        "Sex",
        "RPS4Y1, male over female",
        float((men / women)[:, y_gene].min()),
        1.0,
        note="least of 5 tissues",
    )
    elsewhere = ~subject.genes["symbol"].isin([*Y_GENES, "XIST", "TSIX"]).to_numpy()
    change = np.abs(np.log1p(women) - np.log1p(men))[:, elsewhere]
    yield Figure(
        "Sex", "mean change of all other genes, log1p CPM", float(change.mean()), note="should be near 0"
    )


def leak_figures(subject: Subject) -> Iterator[Figure]:
    """How much a field changes that says nothing new: a healthy tissue's sample is of primary tissue."""
    plain, said = (
        np.log1p(subject.predictor.mean([{TISSUE: (tissue,)} | more for tissue in SEXED_TISSUES]))
        for more in ({}, {"sample_type": ("primary tissue",)})
    )
    yield Figure(
        "Leaks",
        "mean change of all genes by the sample type of a tissue, log1p CPM",
        float(np.abs(plain - said).mean()),
        note="primary tissue, which it is anyway; should be near 0",
    )
