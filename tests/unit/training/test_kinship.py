"""Ridge regression on ontology terms: what relatives say of a term that no sample carries."""

from __future__ import annotations

import numpy as np
import torch

from tests.support.datasets import data_set
from tests.support.networks import LIVER, LUNG, small_network
from worker.training.kinship import fit_relatives, predicted_without_itself, rarity, ridge

TISSUE = "tissue_ontology_id"
FEATURES = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1], [1, 0, 1, 1]], float)


def test_effects_and_origin_are_the_solution_of_the_weighted_ridge() -> None:
    """Against the normal equations in the terms themselves."""
    targets = np.random.default_rng(0).normal(size=(4, 3))
    effects, origin = ridge(FEATURES, targets, penalty=2.0)
    weight = np.sqrt(rarity(FEATURES))
    design = FEATURES * weight
    primal = np.linalg.solve(design.T @ design + 2.0 * np.eye(4), design.T @ (targets - targets.mean(axis=0)))
    np.testing.assert_allclose(effects, weight[:, None] * primal)
    np.testing.assert_allclose(origin, targets.mean(axis=0))


def test_a_rare_term_counts_for_more_than_one_that_all_have() -> None:
    weights = rarity(FEATURES)
    assert weights[1] > weights[2] > weights[0] > 0


def test_a_source_of_few_profiles_has_no_say() -> None:
    network = small_network()
    before = network.relatives.origin[TISSUE].clone()
    fit_relatives(network, data_set(np.full((4, 20), 5e4), [{TISSUE: LIVER, "kind": "profile"}] * 4))
    assert torch.equal(network.relatives.origin[TISSUE], before)


def test_a_trained_network_is_given_relatives_of_its_profiles() -> None:
    network = small_network()
    labels = [{TISSUE: term, "kind": "profile"} for term in (LIVER, LUNG)]
    labels += [{TISSUE: LUNG, "disease_ontology_id": "MONDO:1", "kind": "profile"}]
    labels *= 4
    fit_relatives(network, data_set(np.full((len(labels), 20), 5e4), labels))
    related, index = network.relatives, network.vocabulary.field(TISSUE).index
    assert related.share == 1
    assert related.sampled[TISSUE].nonzero().flatten().tolist() == sorted([index[LIVER], index[LUNG]])
    tokens = network.tokens([{TISSUE: (LIVER,)}, {TISSUE: (LUNG,)}])
    member = {name: tokens.membership[:, place] for name, place in network.field_slices.items()}
    predicted = related.predict(member, TISSUE)
    own = network.factors(network.priors(tokens).mean)
    assert torch.dot(predicted[0] - predicted[1], own[0] - own[1]) > 0


def test_what_the_ridge_says_of_a_sample_without_it_is_what_it_says_when_fitted_without_it() -> None:
    """With the weights of terms and the origin of all samples, which leaving one out would move a little."""
    targets = np.random.default_rng(0).normal(size=(4, 3))
    found = predicted_without_itself(FEATURES, targets, 2.0)
    design, centred = FEATURES * np.sqrt(rarity(FEATURES)), targets - targets.mean(axis=0)
    for left in range(4):
        kept = [row for row in range(4) if row != left]
        kernel = design[kept] @ design[kept].T + 2.0 * np.eye(3)
        expected = design[left] @ design[kept].T @ np.linalg.solve(kernel, centred[kept])
        np.testing.assert_allclose(found[left], targets.mean(axis=0) + expected)
