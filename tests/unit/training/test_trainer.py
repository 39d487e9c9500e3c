"""The training loop and the calibration, on a data set made up for the purpose."""

from __future__ import annotations

from copy import deepcopy

import anndata
import numpy as np
import pandas as pd
import pytest
import torch

from shared.queries.vocabulary import FieldVocabulary, Term, Vocabulary
from tests.support.networks import SMALL
from worker.inference.network import ExpressionNetwork
from worker.training.calibrate import HEADROOM, calibrate
from worker.training.conditions import GENERALISED_FIELDS
from worker.training.dataset import MEASURED, Dataset
from worker.training.samples import LABEL_FIELDS
from worker.training.trainer import TrainingPlan, train

GENES, DONORS, READS = 60, 8, 1e6
TISSUE, CELLS, DRUG = "tissue_ontology_id", "cell_type_ontology_id", "perturbation_ontology_id"
PLAN = TrainingPlan(
    threads=1, steps=900, batch_size=16, learning_rate=1e-2, copies_of_profiles=2, descriptions=8
)


@pytest.fixture(scope="module")
def data() -> Dataset:
    """Two tissue profiles; one cell type, untreated and with a drug that raises gene 5 eightfold."""
    random = np.random.default_rng(3)
    rates = np.exp(random.normal(0, 1, (3, GENES)))
    profiles = rates[:2] / rates[:2].sum(axis=1, keepdims=True) * 1e6
    treated = np.repeat([False, True], DONORS)
    noisy = rates[2] * np.exp(random.normal(0, 0.2, (2 * DONORS, GENES)))
    noisy[treated, 5] *= 8
    counts = random.poisson(noisy / noisy.sum(axis=1, keepdims=True) * READS)
    cpm = np.concatenate([profiles, counts / counts.sum(axis=1, keepdims=True) * 1e6]).astype(np.float32)
    labels = pd.DataFrame(
        [dict.fromkeys(LABEL_FIELDS, "")] * len(cpm), index=[str(i) for i in range(len(cpm))]
    )
    labels["source"] = ["hpa_tissue"] * 2 + ["airway"] * 2 * DONORS
    labels["kind"] = ["profile"] * 2 + ["counts"] * 2 * DONORS
    labels["donor"], labels["study"] = "", "S"
    labels.loc[["0", "1"], TISSUE] = ["liver", "lung"]
    labels.loc[labels.kind == "counts", CELLS] = "muscle"
    labels.loc[labels.kind == "counts", "perturbation_type"] = np.where(treated, "compound", "control")
    labels.loc[labels.kind == "counts", DRUG] = np.where(treated, "drug", "")
    genes = pd.DataFrame({"symbol": [*("XIST", "RPS4Y1"), *(f"G{i}" for i in range(2, GENES))]})
    genes.index = [f"ENSG{i:011d}" for i in range(GENES)]
    table = anndata.AnnData(cpm, obs=labels, var=genes, layers={MEASURED: np.ones(cpm.shape, bool)})
    depth = np.array([0, 0, *[READS] * 2 * DONORS], np.float32)
    return Dataset(table, depth, np.zeros(len(cpm), bool))


@pytest.fixture(scope="module")
def vocabulary(data: Dataset) -> Vocabulary:
    values = {name: sorted(set(data.labels[name]) - {""}) for name in LABEL_FIELDS}
    values["sex"] = ["female", "male"]
    return Vocabulary(
        {
            name: FieldVocabulary(name, {term: Term(term, (), 1) for term in terms})
            for name, terms in values.items()
            if terms or name in GENERALISED_FIELDS[:2]
        }
    )


@pytest.fixture(scope="module")
def trained(data: Dataset, vocabulary: Vocabulary) -> tuple[ExpressionNetwork, list[float]]:
    """A trained network and the losses on the way."""
    losses: list[float] = []
    return train(data, vocabulary, SMALL, PLAN, lambda _, loss: losses.append(loss)), losses


def silent(step: int, loss: float) -> None:
    """No progress display."""


def shares(network, *queries) -> np.ndarray:
    with torch.no_grad():
        condition = network.condition(network.tokens(queries))
        return torch.softmax(network.decode(condition.latent_mean) + condition.gene_effect, 1).numpy()


def test_training_brings_the_profiles_back_and_learns_the_drug(
    data: Dataset, trained: tuple[ExpressionNetwork, list[float]]
) -> None:
    network, losses = trained
    assert losses[-1] < losses[0]
    liver, muscle, treated = shares(
        network, {TISSUE: ("liver",)}, {CELLS: ("muscle",)}, {CELLS: ("muscle",), DRUG: ("drug",)}
    )
    assert np.corrcoef(np.log(liver[2:]), np.log(data.cpm[0, 2:]))[0, 1] > 0.9
    change = np.log(treated / muscle)
    assert change.argmax() == 5
    assert change[5] > 0.5


def test_the_same_seed_gives_the_same_weights_and_another_does_not(
    data: Dataset, vocabulary: Vocabulary
) -> None:
    def bias(seed: int) -> torch.Tensor:
        plan = TrainingPlan(steps=3, batch_size=8, copies_of_profiles=1, descriptions=2, seed=seed)
        return train(data, vocabulary, SMALL, plan, silent).output.bias.detach()

    assert torch.equal(bias(0), bias(0))
    assert not torch.equal(bias(0), bias(1))


def test_calibrated_replicates_lie_as_far_apart_as_the_real_ones(
    data: Dataset, trained: tuple[ExpressionNetwork, list[float]]
) -> None:
    network = deepcopy(trained[0])
    calibrate(network, data)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        condition = network.condition(network.tokens([{CELLS: ("muscle",), "study": ("S",)}]))
        draws = torch.randn(400, condition.latent_mean.shape[1], generator=generator)
        log_rate = network.decode(condition.latent_mean + condition.latent_sd * draws)
        log_rate += condition.noise_sd * torch.randn(log_rate.shape, generator=generator)
    assert float(torch.log_softmax(log_rate, 1).std(0).median()) == pytest.approx(0.2, rel=0.3)


def test_no_gene_is_allowed_much_above_its_highest_level_in_training(
    data: Dataset, vocabulary: Vocabulary
) -> None:
    plan = TrainingPlan(steps=2, batch_size=8, copies_of_profiles=1, descriptions=2)
    network = train(data, vocabulary, SMALL, plan, silent)
    calibrate(network, data)
    highest = np.log(data.cpm.max(axis=0) + 0.05) + HEADROOM
    np.testing.assert_allclose(network.ceiling.numpy(), highest, rtol=1e-5)
