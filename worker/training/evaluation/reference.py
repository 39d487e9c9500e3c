"""Do predictions that begin at a real sample stay near it, and answer to a perturbation as its donor did."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from worker.training.evaluation.figures import Figure, Mask, Matrix, correlation, expressed
from worker.training.evaluation.responses import HELD_OUT_DONORS, PERTURBATION
from worker.training.evaluation.subject import Subject

GROUP = "Reference conditioning"


def reference_figures(subject: Subject) -> Iterator[Figure]:
    """The control sample of each held-out donor, with each perturbation, and with none."""
    labels = subject.data.labels
    for name, source, donor, perturbation in HELD_OUT_DONORS:
        of_donor = (labels["source"] == source) & (labels["donor"] == donor)
        control, treated = (
            int(np.flatnonzero(of_donor & (labels["perturbation_ontology_id"] == term))[0])
            for term in ("", perturbation)
        )
        counted = expressed(subject.cpm[subject.rows(source)])
        reference = subject.cpm[control] * (subject.data.depth[control] / 1e6)
        query = subject.query_of(treated, *PERTURBATION)
        plain, answered = np.log1p(subject.predictor.from_reference(reference, [{}, query]))
        real = _log(subject, treated) - _log(subject, control)
        yield Figure(
            GROUP,
            f"delta r from the donor's control, {name}",
            correlation((answered - plain)[counted], real[counted]),
            baseline=0.0,
            note="against the donor's own treated sample, which was not trained on",
        )
        if donor not in {other for _, _, other, _ in HELD_OUT_DONORS[: _place(name)]}:
            yield _closeness(subject, control, plain, counted, donor)


def _closeness(subject: Subject, control: int, plain: Matrix, counted: Mask, donor: str) -> Figure:
    own = _log(subject, control)[counted]
    usual = np.log1p(subject.predictor.mean([subject.query(control)])[0])[counted]
    return Figure(
        GROUP,
        f"mean |log fold change| from the reference without a perturbation, {donor}",
        float(np.abs(plain[counted] - own).mean()),
        baseline=float(np.abs(usual - own).mean()),
        ceiling=0.0,
        note="expressed genes; baseline: the model's answer to the same labels without the reference",
    )


def _place(name: str) -> int:
    return [each for each, _, _, _ in HELD_OUT_DONORS].index(name)


def _log(subject: Subject, row: int) -> Matrix:
    log: Matrix = np.log1p(subject.cpm[row])
    return log
