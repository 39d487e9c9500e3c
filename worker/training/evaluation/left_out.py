"""How well whole tissues are predicted that no sample had, beside a ridge on the ontology.

Networks are trained for this alone, without the tissues and for fewer steps than a model is.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.ontology.terms import Ontologies
from shared.queries.vocabulary import FieldVocabulary
from worker.inference.network import Architecture, ExpressionNetwork
from worker.inference.relatives import RELATED_FIELDS
from worker.training.conditions import labels_of
from worker.training.dataset import SPLITS, Dataset
from worker.training.evaluation.figures import Figure, Matrix, correlation
from worker.training.evaluation.predictor import Predictor
from worker.training.evaluation.profiles import TISSUE
from worker.training.kinship import fit_relatives, rarity, ridge
from worker.training.sources.protein_atlas import CANCERS, CELL_TYPES, TISSUES
from worker.training.terms import published_terms
from worker.training.trainer import TrainingPlan, train
from worker.training.vocabulary import vocabulary_of

GROUP = "Left-out tissues"
STEPS = 2000
MEASURES = ("r", "LFC r", "RMSE")
RIDGE, NEAREST, ALONE, MODEL, UNSCALED = "ridge", "nearest term", "network alone", "model", "unscaled ridge"
RIDGE_SOURCES, RIDGE_PENALTY = (TISSUES, CANCERS, CELL_TYPES), 30.0

Trained = Callable[[Dataset], ExpressionNetwork]


@dataclass(frozen=True, slots=True)
class Fold:
    """Data without the tissues at rows `judges`; `field` is of all data, and places what is left out."""

    data: Dataset
    judges: NDArray[np.int64]
    field: FieldVocabulary


def left_out_figures(data: Dataset, trained: Trained | None = None) -> Iterator[Figure]:
    """r, LFC r against the mean of the trained tissues, and RMSE of log1p CPM, over the left-out tissues."""
    scores: dict[str, list[Matrix]] = {}
    for fold in folds(data):
        for name, rows in _scores(fold, (trained or _train)(fold.data)).items():
            scores.setdefault(name, []).extend(rows)
    means = {name: np.mean(rows, axis=0) for name, rows in scores.items()}
    for place, measure in enumerate(MEASURES):
        others = ", ".join(f"{name} {means[name][place]:.3f}" for name in (NEAREST, ALONE, UNSCALED))
        yield Figure(
            GROUP,
            f"{measure}, {len(scores[MODEL])} tissues left out",
            float(means[MODEL][place]),
            baseline=float(means[RIDGE][place]),
            note=f"two folds, {STEPS:,} steps each; baseline: ridge on the ontology, scaled to a library as a"
            f" model's answer is; {others}",
        )


def folds(data: Dataset) -> Iterator[Fold]:
    """The folds of `splits.toml`."""
    everything = vocabulary_of(data.labels[~data.held_out], Ontologies.open()).field(TISSUE)
    names = published_terms("tissue")
    for fold in tomllib.loads(SPLITS.read_text())["left_out"]["folds"]:
        terms = [names[name] for name in fold]
        judges = ((data.labels["source"] == TISSUES) & data.labels[TISSUE].isin(terms)).to_numpy()
        yield Fold(replace(data, held_out=data.held_out | judges), np.flatnonzero(judges), everything)


def _train(data: Dataset) -> ExpressionNetwork:
    vocabulary = vocabulary_of(data.labels[~data.held_out], Ontologies.open())
    return train(data, vocabulary, Architecture(), TrainingPlan(steps=STEPS), lambda *_: None)


def _scores(fold: Fold, network: ExpressionNetwork) -> Mapping[str, list[Matrix]]:
    """For each method a row of the MEASURES for each tissue of the fold."""
    data, tissues = fold.data, fold.data.labels["source"] == TISSUES
    genes = data.measured[tissues].all(axis=0) & (data.genes["biotype"] == "protein_coding").to_numpy()
    known = network.vocabulary.field(TISSUE).terms
    asked = [
        {TISSUE: tuple(t for t in fold.field.closure([str(term)]) if t in known)}
        for term in data.labels[TISSUE].iloc[fold.judges]
    ]
    alone = Predictor(network).mean(asked)[:, genes]
    fit_relatives(network, data)
    unscaled = _ridge(fold, genes)
    answers = {
        MODEL: _scaled(Predictor(network).mean(asked)[:, genes]),
        ALONE: _scaled(alone),
        RIDGE: _scaled(np.expm1(unscaled).clip(0)),
        UNSCALED: unscaled,
        NEAREST: _scaled(_nearest(fold, genes)),
    }
    truth = _scaled(data.cpm[fold.judges][:, genes])
    mean = _scaled(data.cpm[tissues & ~data.held_out][:, genes]).mean(axis=0)
    return {
        name: [_measures(*pair, mean) for pair in zip(made, truth, strict=True)]
        for name, made in answers.items()
    }


def _measures(made: Matrix, truth: Matrix, mean: Matrix) -> Matrix:
    error = np.sqrt(np.mean((made - truth) ** 2))
    return np.array([correlation(made, truth), correlation(made - mean, truth - mean), error], np.float32)


def _scaled(cpm: Matrix) -> Matrix:
    """log1p of values [N, G] scaled to a million each."""
    scaled: Matrix = np.log1p(cpm / cpm.sum(axis=1, keepdims=True) * 1e6)
    return scaled


def _ridge(fold: Fold, genes: NDArray[np.bool_]) -> Matrix:
    """log1p CPM of the judges, by ridge regression on the closures of all their terms."""
    labels = fold.data.labels
    rows = np.flatnonzero(~fold.data.held_out & labels["source"].isin(RIDGE_SOURCES).to_numpy())
    features = _closures(fold, [*rows, *fold.judges])
    seen = features[: len(rows)]
    effects, origin = ridge(seen, _scaled(fold.data.cpm[rows][:, genes]).astype(float), RIDGE_PENALTY)
    predicted: Matrix = (features[len(rows) :] @ effects + origin).astype(np.float32)
    return predicted


def _nearest(fold: Fold, genes: NDArray[np.bool_]) -> Matrix:
    """CPM of the trained tissues with the most similar closures, weighted by how rare the terms are."""
    labels = fold.data.labels
    rows = np.flatnonzero(~fold.data.held_out & (labels["source"] == TISSUES).to_numpy())
    features = _closures(fold, [*rows, *fold.judges], (TISSUE,))
    weight = rarity(features[: len(rows)])
    shared = (features * weight) @ features.T
    own = np.diag(shared)
    similarity = (shared / (own[:, None] + own - shared))[len(rows) :, : len(rows)]
    best = similarity > similarity.max(axis=1, keepdims=True) - 1e-9
    return np.array([fold.data.cpm[rows[chosen]][:, genes].mean(axis=0) for chosen in best])


def _closures(fold: Fold, rows: list[int], fields: tuple[str, ...] = RELATED_FIELDS) -> NDArray[np.float64]:
    """[N, terms]: 1 where a sample has a term or one below it, for terms that any of the samples has."""
    labels = fold.data.labels.iloc[rows]
    vocabulary = vocabulary_of(labels, Ontologies.open())
    described = [labels_of(row) for _, row in labels.iterrows()]
    found = [
        {(name, term) for name in fields for term in vocabulary.field(name).closure(each.get(name, ()))}
        for each in described
    ]
    columns = {term: place for place, term in enumerate(sorted(set().union(*found)))}
    features = np.zeros((len(rows), len(columns)))
    for place, terms in enumerate(found):
        features[place, [columns[term] for term in terms]] = 1.0
    return features
