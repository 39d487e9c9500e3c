"""Do perturbations act on people the model has not seen, in combination, and not at all when unknown."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from worker.training.evaluation.figures import Figure, Matrix, correlation, expressed
from worker.training.evaluation.subject import Subject
from worker.training.sources import airway, macrophage

GROUP = "Perturbations"
PERTURBATION = ("perturbation_ontology_id", "perturbation_type")
BOTH = f"{macrophage.IFNG}|{macrophage.SALMONELLA}"
HELD_OUT_DONORS = (
    ("dexamethasone", airway.SOURCE, "N061011", airway.DEXAMETHASONE),
    ("IFN-gamma", macrophage.SOURCE, "qaqx_1", macrophage.IFNG),
    ("Salmonella", macrophage.SOURCE, "qaqx_1", macrophage.SALMONELLA),
    ("the pair of them, never seen together", macrophage.SOURCE, "qaqx_1", BOTH),
)
MOST_EXPRESSED = 1000


def response_figures(subject: Subject) -> Iterator[Figure]:
    """Delta r = corr(yhat_t - yhat_c, y_t - y_c) over expressed genes of a held-out donor."""
    for name, source, donor, perturbation in HELD_OUT_DONORS:
        counted = expressed(subject.cpm[subject.rows(source)])
        treated = _rows(subject, source, perturbation)
        control = _rows(subject, source, "")
        is_donor = (subject.data.labels["donor"] == donor).to_numpy()
        real = _change(subject, treated[is_donor[treated]], control[is_donor[control]])
        others = _change(subject, treated[~is_donor[treated]], control[~is_donor[control]])
        predicted = _predicted_change(subject, int(treated[is_donor[treated]][0]))
        yield Figure(
            GROUP,
            f"delta r, held-out donor, {name}",
            correlation(predicted[counted], real[counted]),
            baseline=0.0,
            ceiling=correlation(others[counted], real[counted]),
            note="baseline: no change; ceiling: mean of the other donors",
        )


def combination_figure(subject: Subject) -> Figure:
    """L2 over the 1,000 most expressed genes of the control (Ahlmann-Eltze, Huber and Anders 2025)."""
    rows = {
        name: _rows(subject, macrophage.SOURCE, name)
        for name in ("", macrophage.IFNG, macrophage.SALMONELLA, BOTH)
    }
    trained = {
        name: found if name == BOTH else found[~subject.data.held_out[found]] for name, found in rows.items()
    }
    control = np.log1p(subject.cpm[trained[""]]).mean(axis=0)
    top = np.argsort(-control)[:MOST_EXPRESSED]
    real = _change(subject, trained[BOTH], trained[""])
    additive = sum(
        _change(subject, trained[name], trained[""]) for name in (macrophage.IFNG, macrophage.SALMONELLA)
    )
    predicted = _predicted_change(subject, int(rows[BOTH][0]))
    return Figure(
        GROUP,
        "L2, IFN-gamma and Salmonella, never seen together",
        float(np.linalg.norm((predicted - real)[top])),
        baseline=float(np.linalg.norm((additive - real)[top])),
        note=f"smaller is better; baseline: sum of both changes; no change: {np.linalg.norm(real[top]):.1f}",
    )


def unknown_figure(subject: Subject) -> Figure:
    """The largest change of any gene by a perturbation of a type it was never seen with."""
    asked = {"perturbation_ontology_id": (macrophage.IFNG,), "perturbation_type": ("overexpression",)}
    change = np.log1p(subject.predictor.mean([asked])) - np.log1p(subject.predictor.mean([{}]))
    return Figure(
        GROUP, "largest change by an untrained kind of perturbation", float(np.abs(change).max()), 0.0
    )


def _rows(subject: Subject, source: str, perturbation: str) -> NDArray[np.int64]:
    labels = subject.data.labels
    return np.flatnonzero((labels["source"] == source) & (labels["perturbation_ontology_id"] == perturbation))


def _change(subject: Subject, treated: NDArray[np.int64], control: NDArray[np.int64]) -> Matrix:
    log = np.log1p(subject.cpm)
    change: Matrix = log[treated].mean(axis=0) - log[control].mean(axis=0)
    return change


def _predicted_change(subject: Subject, treated: int) -> Matrix:
    pair = [subject.query(treated), subject.query(treated, without=PERTURBATION)]
    with_it, without_it = np.log1p(subject.predictor.mean(pair))
    change: Matrix = with_it - without_it
    return change
