"""An exported model's encoder learns to recognise samples, and its decoder stays as it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.support.datasets import data_set
from tests.support.networks import LIVER, LUNG, small_network
from worker.inference.network import ExpressionNetwork
from worker.training.dataset import Dataset
from worker.training.recognition import RecognitionPlan, fit_recognition, recognition_loss
from worker.training.specimens import SpecimenMaker

GENES = 60
POSITIONS = np.arange(GENES)
PLAN = RecognitionPlan(depth=5e4, steps=150, batch_size=32, encoder_learning_rate=5e-3)
TISSUE, TYPE = "tissue_ontology_id", "perturbation_type"


@pytest.fixture
def network() -> ExpressionNetwork:
    made = small_network(GENES)
    made.ceiling.fill_(50.0)
    made.gene_log_variance.fill_(-4.0)
    made.loadings.mul_(0.1)
    made.latent_log_scale.fill_(-2.5)  # tissues lie further apart than their samples
    made.embeddings[TISSUE].mul_(4.0)
    return made


@pytest.fixture
def data(network: ExpressionNetwork) -> Dataset:
    """What the network says of two tissues, as profiles, and one held-out sample."""
    labels = [{TISSUE: term, "kind": "profile", "sex": "male"} for term in (LIVER, LUNG, LIVER)]
    condition = network.condition(network.tokens([{TISSUE: (each[TISSUE],)} for each in labels]))
    cpm = torch.softmax(network.decode(condition.latent_mean), 1).numpy() * 1e6
    return data_set(cpm, labels, held_out=(2,))


def maker_of(network: ExpressionNetwork, data: Dataset, seed: int = 0) -> SpecimenMaker:
    return SpecimenMaker(network, data, POSITIONS, PLAN.depth, seed)


def test_tissues_are_named_after_it_and_were_not_before(network: ExpressionNetwork, data: Dataset) -> None:
    specimens = maker_of(network, data, seed=7).draw(200)
    truth = specimens.classes[TISSUE].argmax(1)

    def right() -> float:
        with torch.no_grad():
            found = network.classify(network.encode(specimens.counts).mean)[TISSUE].argmax(1)
        return (found == truth).float().mean().item()

    before = right()
    fit_recognition(network, data, POSITIONS, PLAN)
    assert before < 0.8
    assert right() > 0.9


def test_only_encoder_and_heads_change_and_equal_seeds_give_equal_weights(
    network: ExpressionNetwork, data: Dataset
) -> None:
    before = {name: value.clone() for name, value in network.state_dict().items()}
    fit_recognition(network, data, POSITIONS, RecognitionPlan(depth=5e4, steps=3, batch_size=8))
    first = {name: value.clone() for name, value in network.state_dict().items()}
    changed = {name for name in before if not torch.equal(before[name], first[name])}
    assert changed
    assert all(name.startswith(("encoder.body", "encoder.projection", "heads.")) for name in changed)
    network.load_state_dict(before)
    fit_recognition(network, data, POSITIONS, RecognitionPlan(depth=5e4, steps=3, batch_size=8))
    assert all(torch.equal(first[name], value) for name, value in network.state_dict().items())


def test_unset_is_a_class_only_of_fields_that_may_be_absent(
    network: ExpressionNetwork, data: Dataset
) -> None:
    classes = maker_of(network, data).draw(10).classes
    assert (classes["perturbation_ontology_id"][:, 0] == 1).all()
    assert not classes["study"].any()
    assert (classes[TISSUE].sum(1) == 1).all()


def test_specimens_are_whole_counts_at_about_the_depth_and_know_their_own_latents(
    network: ExpressionNetwork, data: Dataset
) -> None:
    specimens = maker_of(network, data).draw(64)
    assert torch.equal(specimens.counts, specimens.counts.round())
    assert 0.5 < specimens.counts.sum(1).median() / PLAN.depth < 2
    assert specimens.latent.shape == (32, 10)
    torch.testing.assert_close(
        specimens.clean[:32],
        torch.log_softmax(network.decode(specimens.latent) + network.gene_effects["sex"][1], 1),
    )


def test_the_loss_falls_where_the_latents_are_known(network: ExpressionNetwork, data: Dataset) -> None:
    specimens = maker_of(network, data, seed=3).draw(64)
    with torch.no_grad():
        before = recognition_loss(network, specimens)
    fit_recognition(network, data, POSITIONS, PLAN)
    assert recognition_loss(network, specimens) < before
