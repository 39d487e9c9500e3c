"""Figures on a laboratory's own samples: profiles, responses, spread and recognition, by condition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.training.conditions import Condition
from worker.training.evaluation.figures import (
    COUNT_BINS,
    EXPRESSED_CPM,
    Figure,
    Matrix,
    Vector,
    correlation,
    variation_by_count,
)
from worker.training.evaluation.own_data import PERTURBATION, PERTURBATION_FIELDS, OwnData
from worker.training.evaluation.recognised import Recognised, recognised

CEILING = "ceiling: what a perfect prediction would reach, as two halves of the samples agree"
FEWEST_REPLICATES, MOST_CONDITIONS = 3, 3  # whose spread is compared


@dataclass(frozen=True, slots=True)
class Profiles:
    """log1p CPM [conditions, genes]: as predicted, as observed, and of two halves of the samples of each."""

    predicted: Matrix | NDArray[np.float64]
    observed: Matrix | NDArray[np.float64]
    halves: Sequence[tuple[Vector, Vector]]


@dataclass(frozen=True, slots=True)
class OwnResponse:
    """One perturbation in one context, of `treated` samples: changes of expressed genes; of halves too."""

    terms: tuple[str, ...]
    treated: int
    symbols: tuple[str, ...]
    predicted: Vector
    real: Vector
    halves: tuple[Vector, Vector] | None


def own_figures(own: OwnData, *, generated: bool) -> Iterator[Figure]:
    """Every figure that the labels allow; of replicates only where the model draws samples with noise."""
    yield from _profile_figures(profiles_of(own))
    yield from _response_figures(own, responses_of(own))
    if generated:
        yield from _spread_figures(own)
    for found in recognitions_of(own):
        yield Figure(
            "Recognition",
            f"right, {found.field}",
            found.right / len(found.truth),
            baseline=found.commonest,
            ceiling=1.0,
            note=f"{len(found.truth)} samples; baseline: always the commonest",
        )


def profiles_of(own: OwnData) -> Profiles:
    """Means of each condition."""
    conditions = own.conditions
    asked = own.subject.predictor.mean([dict(key) for key in conditions])[:, own.shared]
    observed = np.stack([_mean(own, rows) for rows in conditions.values()])
    scale = np.expm1(observed).sum(axis=1, keepdims=True) / asked.sum(axis=1, keepdims=True)
    halves = [
        (_mean(own, rows[::2]), _mean(own, rows[1::2])) for rows in conditions.values() if len(rows) > 1
    ]
    return Profiles(np.log1p(asked * scale), observed, halves)


def responses_of(own: OwnData) -> list[OwnResponse]:
    """Every perturbed condition that has a control."""
    found = []
    for key, rows in own.conditions.items():
        condition = dict(key)
        control = own.control_of(condition)
        if condition.get(PERTURBATION) and len(control):
            plain = {name: terms for name, terms in condition.items() if name not in PERTURBATION_FIELDS}
            with_it, without_it = np.log1p(own.subject.predictor.mean([condition, plain]))[:, own.shared]
            cpm = own.subject.cpm[np.concatenate([rows, control])][:, own.shared]
            seen = cpm.mean(axis=0) > EXPRESSED_CPM
            paired = min(len(rows), len(control)) > 1
            found.append(
                OwnResponse(
                    condition[PERTURBATION],
                    len(rows),
                    tuple(own.subject.genes["symbol"][own.shared][seen].astype(str)),
                    (with_it - without_it)[seen],
                    _change(own, rows, control)[seen],
                    (
                        _change(own, rows[::2], control[::2])[seen],
                        _change(own, rows[1::2], control[1::2])[seen],
                    )
                    if paired
                    else None,
                )
            )
    return found


def replicated(own: OwnData) -> list[tuple[Condition, NDArray[np.int64]]]:
    """The conditions with the most replicates."""
    many: list[tuple[Condition, NDArray[np.int64]]] = [
        (dict(key), rows) for key, rows in own.conditions.items() if len(rows) >= FEWEST_REPLICATES
    ]
    return sorted(many, key=lambda each: -len(each[1]))[:MOST_CONDITIONS]


def recognitions_of(own: OwnData) -> Iterator[Recognised]:
    """Every field that the model can predict and the data have, where a sample has one value of it."""
    subject = own.subject
    counts = (subject.cpm * (subject.data.depth[:, None] / 1e6)).astype(np.float32)
    for field, classes in subject.predictor.network.heads.classes.items():
        values = subject.data.labels[field].astype(str).tolist() if field in subject.data.labels else []
        rows = [row for row, value in enumerate(values) if value and value in classes]
        if rows:
            yield recognised(subject.predictor, counts[rows], field, [values[row] for row in rows])


def _profile_figures(profiles: Profiles) -> Iterator[Figure]:
    number = len(profiles.observed)
    average = profiles.observed.mean(axis=0)
    note = f"{number} conditions; baseline: their mean; {CEILING}"
    pairs = list(zip(profiles.predicted, profiles.observed, strict=True))
    yield Figure(
        "Profiles",
        "r, profile of a condition",
        _mean_r(pairs),
        baseline=_mean_r([(average, real) for _, real in pairs]) if number > 1 else None,
        ceiling=_attainable(profiles.halves),
        note=note,
    )
    if number > 1:
        yield Figure(
            "Profiles",
            "LFC r, against the mean of the conditions",
            _mean_r([(guess - average, real - average) for guess, real in pairs]),
            baseline=0.0,
            ceiling=_attainable([(a - average, b - average) for a, b in profiles.halves]),
            note=note,
        )


def _response_figures(own: OwnData, responses: Sequence[OwnResponse]) -> Iterator[Figure]:
    for terms in dict.fromkeys(each.terms for each in responses):
        same = [each for each in responses if each.terms == terms]
        halves = [each.halves for each in same if each.halves]
        yield Figure(
            "Perturbations",
            f"delta r, {own.name_of({PERTURBATION: terms})}",
            _mean_r([(each.predicted, each.real) for each in same]),
            baseline=0.0,
            ceiling=_attainable(halves),
            note=f"expressed genes; baseline: no change; {CEILING}",
        )


def _spread_figures(own: OwnData) -> Iterator[Figure]:
    for condition, rows in replicated(own):
        depth = own.subject.data.depth[rows]
        real = (own.subject.cpm[rows] / 1e6 * depth[:, None])[:, own.shared]
        made = own.subject.predictor.generated([condition] * len(rows), depth)[:, own.shared]
        name = own.name_of(condition)
        bins = zip(COUNT_BINS, variation_by_count(made), variation_by_count(real), strict=True)
        for (low, high), value, ceiling in bins:
            if np.isfinite(value) and np.isfinite(ceiling):
                yield Figure("Spread", f"CV at {low:,} to {high:,} counts, {name}", value, ceiling=ceiling)


def _mean(own: OwnData, rows: NDArray[np.int64]) -> Vector:
    mean: Vector = np.log1p(own.subject.cpm[rows][:, own.shared].mean(axis=0))
    return mean


def _change(own: OwnData, treated: NDArray[np.int64], control: NDArray[np.int64]) -> Vector:
    log = np.log1p(own.subject.cpm[:, own.shared])
    change: Vector = log[treated].mean(axis=0) - log[control].mean(axis=0)
    return change


def _attainable(halves: Sequence[tuple[Vector, Vector]]) -> float | None:
    """The r of the truth with a mean of samples whose halves correlate with h: sqrt(2 h / (1 + h)).

    The square root of the mean's reliability, by Spearman's and Brown's formula.
    """
    if not halves:
        return None
    agreement = max(_mean_r(halves), 0.0)
    return float(np.sqrt(2 * agreement / (1 + agreement)))


def _mean_r(pairs: Sequence[tuple[Vector | Matrix, Vector | Matrix]]) -> float:
    return float(np.mean([correlation(*pair) for pair in pairs]))
