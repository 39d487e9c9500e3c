"""Tissues that a network was not trained on, beside the baselines; with a plug in the place of training."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from shared.ontology.terms import Ontologies
from tests.support.datasets import data_set
from tests.support.networks import SMALL
from worker.inference.network import ExpressionNetwork
from worker.training.dataset import Dataset
from worker.training.evaluation.left_out import folds, left_out_figures
from worker.training.sources.protein_atlas import TISSUES
from worker.training.terms import published_terms
from worker.training.vocabulary import vocabulary_of

TISSUE, GENES = "tissue_ontology_id", 80


@pytest.fixture(scope="module")
def data() -> Dataset:
    """Every published tissue; what lies below one organ system in the ontology is alike."""
    terms = sorted(set(published_terms("tissue").values()))
    labels = [{TISSUE: term, "source": TISSUES, "kind": "profile"} for term in terms]
    bare = data_set(np.ones((len(terms), GENES)), labels)
    field = vocabulary_of(bare.labels, Ontologies.open()).field(TISSUE)
    effects = {
        term: np.random.default_rng(place).normal(size=GENES) for place, term in enumerate(field.terms)
    }
    log_rate = np.array([sum(effects[t] for t in field.closure([term])) / 3 for term in terms])
    rate = np.exp(log_rate)
    return data_set(rate / rate.sum(axis=1, keepdims=True) * 1e6, labels)


def untrained(data: Dataset) -> ExpressionNetwork:
    """A network that knows the vocabulary and nothing else."""
    torch.manual_seed(0)
    vocabulary = vocabulary_of(data.labels[~data.held_out], Ontologies.open())
    return ExpressionNetwork(vocabulary, GENES, SMALL).eval()


def test_no_fold_s_tissue_is_trained_on_and_each_is_judged_once(data: Dataset) -> None:
    judged = [fold.judges for fold in folds(data)]
    assert [len(rows) for rows in judged] == [8, 8]
    assert len(set(np.concatenate(judged))) == 16
    assert all(fold.data.held_out[fold.judges].all() for fold in folds(data))


def test_ridge_and_relatives_find_what_the_ontology_tells(data: Dataset) -> None:
    """Where relatives are alike, a ridge on the ontology does better than the mean, whatever the network."""
    figures = {figure.name: figure for figure in left_out_figures(data, untrained)}
    assert list(figures) == [f"{measure}, 16 tissues left out" for measure in ("r", "LFC r", "RMSE")]
    lfc = figures["LFC r, 16 tissues left out"]
    assert lfc.baseline is not None
    assert lfc.baseline > 0.3
    assert "nearest term" in lfc.note
