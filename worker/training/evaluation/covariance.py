"""Do genes vary together between generated samples as between real ones, and can the two be told apart."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from worker.training.evaluation.figures import Figure, Matrix, correlation
from worker.training.evaluation.subject import Subject
from worker.training.sources.lymphoblastoid import EUROPEAN, YORUBA

GROUP = "Covariance"
STUDIES = (("69 Yoruba lines", YORUBA), ("60 European lines", EUROPEAN))
MOST_VARIABLE, ENOUGH_COUNTS, CLASSIFIED_COUNTS = 1000, 100.0, 20.0
COMPONENTS, FOLDS, REPEATS = 20, 5, 3
HALF_A_READ = 0.5  # added before the logarithm


def covariance_figures(subject: Subject) -> Iterator[Figure]:
    """As many generated as real samples, each under the labels and at the depth of its real one."""
    for name, source in STUDIES:
        rows = subject.rows(source)
        measured = subject.measured[rows].all(axis=0)
        real = (subject.cpm[rows] * (subject.data.depth[rows, None] / 1e6))[:, measured]
        level = _level(subject, rows)
        made = [_made(subject, rows, seed, level)[:, measured] for seed in range(REPEATS)]
        agreement, ceiling = np.mean([agreement_of_correlations(real, each) for each in made], axis=0)
        yield Figure(
            GROUP,
            f"agreement of gene-gene correlations, {name}",
            float(agreement),
            baseline=0.0,
            ceiling=float(ceiling),
            note=f"{MOST_VARIABLE:,} most variable genes; baseline: independent genes; ceiling: halves of the"
            " real lines",
        )
        yield Figure(
            GROUP,
            f"real or generated, AUC of a classifier, {name}",
            float(np.mean([told_apart(real, each) for each in made])),
            baseline=told_apart(real, _made(subject, rows, 0)[:, measured]),
            ceiling=0.5,
            note=f"logistic regression on {COMPONENTS} components, {FOLDS} folds; 0.5 cannot tell; each"
            " gene's mean in the study is given, since the study is no BioProject and cannot be asked"
            " for; baseline: without that",
        )


def agreement_of_correlations(real: Matrix, made: Matrix) -> tuple[float, float]:
    """Pearson's r between the gene-gene correlations of counts [N, G], and the same of the real halves."""
    enough = (real.mean(axis=0) > ENOUGH_COUNTS) & (made.mean(axis=0) > ENOUGH_COUNTS)
    dispersion = np.where(enough, _dispersion(real), -np.inf)
    chosen = np.argsort(-dispersion, kind="stable")[: min(MOST_VARIABLE, int(enough.sum()))]
    pairs = np.triu_indices(len(chosen), 1)
    first, second = (_log_cpm(counts)[:, chosen] for counts in (real, made))
    own, other, even, odd = (
        np.asarray(np.corrcoef(values.T))[pairs] for values in (first, second, first[::2], first[1::2])
    )
    return correlation(own, other), correlation(even, odd)


def told_apart(real: Matrix, made: Matrix) -> float:
    """Area under the curve of a classifier of counts [N, G], on samples that it was not fitted to."""
    chosen = real.mean(axis=0) > CLASSIFIED_COUNTS
    values = np.concatenate([_log_cpm(real), _log_cpm(made)])[:, chosen]
    components = PCA(COMPONENTS, random_state=0).fit_transform(values)
    truth = np.repeat([0, 1], [len(real), len(made)])
    classifier = LogisticRegression(max_iter=2000)
    scaled = components / components.std(axis=0)
    return float(cross_val_score(classifier, scaled, truth, cv=FOLDS, scoring="roc_auc").mean())


def _made(subject: Subject, rows: NDArray[np.int64], seed: int, level: Matrix | None = None) -> Matrix:
    queries = [subject.query(int(row)) for row in rows]
    return subject.predictor.generated(queries, subject.data.depth[rows], seed, level=level)


def _level(subject: Subject, rows: NDArray[np.int64]) -> Matrix:
    """[G]: by how much the mean log rate of real samples differs from the model's; 0 where not measured."""
    counts = subject.cpm[rows] * (subject.data.depth[rows, None] / 1e6)
    expected = subject.predictor.mean([subject.query(int(row)) for row in rows])
    real = np.log((counts + HALF_A_READ) / counts.sum(axis=1, keepdims=True) * 1e6)
    difference = (real - np.log(expected + HALF_A_READ / subject.data.depth[rows, None] * 1e6)).mean(axis=0)
    level: Matrix = np.where(subject.measured[rows].all(axis=0), difference, 0.0).astype(np.float32)
    return level


def _log_cpm(counts: Matrix) -> Matrix:
    scaled: Matrix = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e6)
    return scaled


def _dispersion(counts: Matrix) -> Matrix:
    """Variance beyond Poisson over the squared mean, at equal depth."""
    total = counts.sum(axis=1, keepdims=True)
    scaled = counts / total * total.mean()
    mean = np.maximum(scaled.mean(axis=0), 1e-9)
    dispersion: Matrix = (scaled.var(axis=0, ddof=1) - mean) / mean**2
    return dispersion
