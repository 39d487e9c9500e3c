"""Does the model recognise samples that it was never trained on, and do its latents hold what it saw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from shared.queries.spec import Modality
from worker.training.conditions import labels_of
from worker.training.evaluation.figures import Figure, Matrix, correlation
from worker.training.evaluation.profiles import CELL_TYPE, TISSUE
from worker.training.evaluation.subject import Subject
from worker.training.fetch import Artefacts
from worker.training.sources import genes, gtex
from worker.training.sources.protein_atlas import CELL_TYPES, TISSUES

GROUP = "Recognition"
PERTURBATION = "perturbation_ontology_id"
BULK_READS, CELL_READS = 20_000_000, 10_000
CELL_SD = 0.5  # of a gene's log rate between simulated cells of a type
CELLS_OF_A_TYPE = 5


def recognition_figures(subject: Subject, modality: Modality, artefacts: Artefacts) -> Iterator[Figure]:
    """Fields named right; real samples at about the depth of the modality."""
    depth = BULK_READS if modality == Modality.BULK else CELL_READS
    samples = gtex.load_judges(artefacts, genes.load(artefacts))
    values = samples.values.reindex(subject.genes.index)
    tissues = samples.labels[TISSUE].tolist()
    judged = counted(values.fillna(0.0).to_numpy(dtype=np.float32).T, depth)
    yield _named(subject, TISSUE, judged, tissues, "tissue of 25 GTEx tissues")
    held = np.flatnonzero(subject.data.held_out)
    donors = counted(subject.cpm[held], depth)
    for field, name in ((CELL_TYPE, "cell type"), (PERTURBATION, "perturbation")):
        truth = [_label(subject, row, field) for row in held.tolist()]
        alone = [place for place, value in enumerate(truth) if "|" not in value]
        if field in subject.predictor.network.heads.classes:
            what = f"{name} of {len(alone)} samples of held-out donors"
            yield _named(subject, field, donors[alone], [truth[place] for place in alone], what)
    if modality == Modality.SINGLE_CELL:
        yield _cells(subject)
    yield from _reconstruction(subject, donors, held)


def _named(
    subject: Subject, field: str, counts: Matrix, truth: Sequence[str], what: str, note: str = ""
) -> Figure:
    """How many samples the head of a field names right; the baseline is the sample's nearest profile."""
    classes = subject.predictor.network.heads.classes[field]
    found = [classes[column] for column in subject.predictor.probabilities(counts)[field].argmax(axis=1)]
    baseline = None
    if field in (TISSUE, CELL_TYPE):
        baseline = _nearest_right(subject, field, counts, truth)
    right = sum(a == b for a, b in zip(found, truth, strict=True))
    note = note or "never trained on; baseline: the most correlated training profile"
    return Figure(GROUP, f"right, {what}", float(right), baseline, float(len(truth)), note)


def _nearest_right(subject: Subject, field: str, counts: Matrix, truth: Sequence[str]) -> float:
    """How many samples correlate best with a training profile of their own term."""
    rows = subject.rows(TISSUES if field == TISSUE else CELL_TYPES)
    expressed = subject.measured[rows].all(axis=0) & (counts.sum(axis=0) > 0)
    profiles = np.log1p(subject.cpm[rows][:, expressed])
    seen = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e6)[:, expressed]
    nearest = rows[np.corrcoef(seen, profiles)[: len(seen), len(seen) :].argmax(axis=1)]
    terms = subject.data.labels[field].iloc[nearest]
    return float(sum(a == b for a, b in zip(terms, truth, strict=True)))


def _cells(subject: Subject) -> Figure:
    """Cells simulated from the published averages, which were trained on; their noise was not."""
    rows = np.repeat(subject.rows(CELL_TYPES), CELLS_OF_A_TYPE)
    noise = np.exp(np.random.default_rng(1).normal(0.0, CELL_SD, (len(rows), subject.cpm.shape[1])))
    counts = counted((subject.cpm[rows] * noise).astype(np.float32), CELL_READS)
    truth = [_label(subject, row, CELL_TYPE) for row in rows.tolist()]
    note = f"simulated at {CELL_READS:,} counts; baseline: the most correlated training profile"
    return _named(subject, CELL_TYPE, counts, truth, f"cell type of {len(rows)} simulated cells", note)


def _reconstruction(subject: Subject, counts: Matrix, held: NDArray[np.int64]) -> Iterator[Figure]:
    """r over log1p CPM of decode(encode(x)) and of what x is a sample of."""
    made = subject.predictor.reconstruction(counts)
    training = ~subject.data.held_out & ~subject.data.is_profile
    average = np.log1p(subject.cpm[training]).mean(axis=0)
    pairs = [(np.log1p(subject.cpm[row]), subject.measured[row]) for row in held.tolist()]
    yield Figure(
        GROUP,
        f"r of the reconstruction, {len(held)} held-out samples",
        _mean_r([(np.log1p(each), *pair) for each, pair in zip(made, pairs, strict=True)]),
        baseline=_mean_r([(average, *pair) for pair in pairs]),
        ceiling=_mean_r([(_replicate(subject, row), *pair) for row, pair in zip(held, pairs, strict=True)]),
        note="baseline: mean of the training samples; ceiling: training samples under the same labels",
    )


def _mean_r(triples: Sequence[tuple[Matrix, Matrix, NDArray[np.bool_]]]) -> float:
    return float(np.mean([correlation(a[measured], b[measured]) for a, b, measured in triples]))


def _replicate(subject: Subject, row: int) -> Matrix:
    """Mean log1p CPM of the other samples of the same source and perturbation."""
    labels = subject.data.labels
    same = (labels["source"] == labels["source"].iloc[row]) & (
        labels[PERTURBATION] == labels[PERTURBATION].iloc[row]
    )
    others = np.flatnonzero(same & (labels["donor"] != labels["donor"].iloc[row]))
    mean: Matrix = np.log1p(subject.cpm[others]).mean(axis=0)
    return mean


def _label(subject: Subject, row: int, field: str) -> str:
    return "|".join(labels_of(subject.data.labels.iloc[row]).get(field, ()))


def counted(values: Matrix, depth: int) -> Matrix:
    """Poisson counts of samples [N, G] at a depth."""
    rate = torch.from_numpy(values / values.sum(axis=1, keepdims=True) * depth)
    return np.asarray(torch.poisson(rate, generator=torch.Generator().manual_seed(0)).numpy())
