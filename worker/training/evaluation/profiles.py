"""Do the profiles come back: tissues, cell types, cancers, asked for by name alone; and GTEx as a judge."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from worker.training.evaluation.figures import Figure, Matrix, correlation
from worker.training.evaluation.subject import Subject
from worker.training.fetch import Artefacts
from worker.training.sources import genes, gtex
from worker.training.sources.protein_atlas import CANCERS, CELL_TYPES, TISSUES

GROUP = "Profiles"
TISSUE, CELL_TYPE, DISEASE = "tissue_ontology_id", "cell_type_ontology_id", "disease_ontology_id"
ASKED = (
    ("tissues, by the tissue alone", TISSUES, (TISSUE,)),
    ("cell types, by the cell type alone", CELL_TYPES, (CELL_TYPE,)),
    ("cancers, by the disease alone", CANCERS, (DISEASE,)),
    ("cancers, by disease and tissue", CANCERS, (DISEASE, TISSUE)),
)


def profile_figures(subject: Subject) -> Iterator[Figure]:
    """Correlation with the trained profile, and of the differences from the class mean (LFC)."""
    known = subject.predictor.network.vocabulary.fields
    for name, source, fields in ASKED:
        if all(field in known for field in fields):
            rows = subject.rows(source)
            predicted = subject.predictor.mean([subject.query_of(row, *fields) for row in rows])
            shared = subject.measured[rows].all(axis=0) & subject.coding
            yield from compare(name, predicted[:, shared], subject.cpm[rows][:, shared], "in sample")


def compare(name: str, predicted: Matrix, real: Matrix, note: str) -> Iterator[Figure]:
    """Profile r, and LFC r against the class mean m: corr(yhat - m, y - m), over y = log1p CPM."""
    y, yhat = np.log1p(real), np.log1p(_same_total(predicted, real))
    mean = y.mean(axis=0)
    yield Figure(
        GROUP,
        f"r, {name}",
        float(np.mean([correlation(a, b) for a, b in zip(yhat, y, strict=True)])),
        baseline=float(np.mean([correlation(mean, b) for b in y])),
        note=f"{note}; baseline: class mean",
    )
    lfc = [correlation(a - mean, b - mean) for a, b in zip(yhat, y, strict=True)]
    yield Figure(
        GROUP, f"LFC r, {name}", float(np.mean(lfc)), baseline=0.0, note=f"{note}; worst {min(lfc):.3f}"
    )


def gtex_figures(subject: Subject, artefacts: Artefacts) -> Iterator[Figure]:
    """25 tissues of GTEx, on which the Atlas's consensus draws too; the ceiling is the trained profile."""
    samples = gtex.load_judges(artefacts, genes.load(artefacts))
    values = samples.values.reindex(subject.genes.index)
    tissues = samples.labels[TISSUE].tolist()
    atlas = {subject.data.labels[TISSUE].iloc[row]: row for row in subject.rows(TISSUES)}
    trained = np.array([atlas[tissue] for tissue in tissues])
    shared = values.notna().all(axis=1).to_numpy() & subject.measured[trained].all(axis=0) & subject.coding
    real = values.to_numpy(dtype=np.float32).T[:, shared]
    predicted = subject.predictor.mean([{TISSUE: (tissue,)} for tissue in tissues])[:, shared]
    own, ceiling = _agreement(predicted, real), _agreement(subject.cpm[trained][:, shared], real)
    note = "partly in the Atlas's consensus; baseline: mean trained profile; ceiling: the trained profile"
    average = np.log1p(subject.cpm[trained][:, shared]).mean(axis=0)
    baseline = float(np.mean([correlation(average, row) for row in np.log1p(real)]))
    yield Figure(GROUP, "r, 25 GTEx tissues", own[0], baseline, ceiling[0], note)
    yield Figure(GROUP, "LFC r, 25 GTEx tissues", own[1], 0.0, ceiling[1], note)


def _agreement(predicted: Matrix, real: Matrix) -> tuple[float, float]:
    """Mean r, and mean r of differences from each side's own mean."""
    y, yhat = np.log1p(real), np.log1p(_same_total(predicted, real))
    pairs = list(zip(yhat, y, strict=True))
    lfc = [correlation(a - yhat.mean(axis=0), b - y.mean(axis=0)) for a, b in pairs]
    return float(np.mean([correlation(a, b) for a, b in pairs])), float(np.mean(lfc))


def _same_total(predicted: Matrix, real: Matrix) -> Matrix:
    """Predictions scaled to the totals of what was measured, which leaves out some genes."""
    scaled: Matrix = predicted / predicted.sum(axis=1, keepdims=True) * real.sum(axis=1, keepdims=True)
    return scaled
