"""What the genes of a generated sample share beyond its latents: seen in drawn samples, and only there."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from shared.catalog import Model
from tests.support.batches import assert_equal_bits, make_batch, mixed_batch, reorder
from tests.support.models import tiny_model
from worker.inference.checkpoint import load_network
from worker.inference.engine import Engine
from worker.inference.network import ExpressionNetwork

CPU = torch.device("cpu")
CONDITION = 2  # of a sample type, which scales the residual
SAMPLES = 4000


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return tiny_model(tmp_path_factory.mktemp("models"))


def without_loadings(model: Model) -> Engine:
    network = load_network(model, CPU)
    network.loadings.zero_()
    return Engine(model, network, CPU)


def quiet_network(model: Model) -> ExpressionNetwork:
    """Nothing but the residual varies; the first gene has none, is abundant, and no ceiling binds."""
    network = load_network(model, CPU)
    network.gene_log_variance.fill_(-25.0)
    network.ceiling.fill_(1000.0)
    network.loadings[:, 0], network.output.weight[0], network.output.bias[0] = 0.0, 0.0, 6.0
    return network


def test_mean_estimates_are_untouched_even_beside_generated_samples(model: Model) -> None:
    batch = mixed_batch()
    estimates = np.flatnonzero(~batch.generation)
    with_residual, without = (
        engine.generate(batch) for engine in (Engine.open(model, CPU), without_loadings(model))
    )
    assert_equal_bits(reorder(with_residual, estimates), reorder(without, estimates))
    drawn = np.flatnonzero(batch.generation)
    assert not np.array_equal(with_residual.counts[drawn], without.counts[drawn])


def test_generated_samples_are_wider_for_it(model: Model) -> None:
    batch = make_batch(1000, deterministic=True)
    spread = [
        np.log1p(engine.generate(batch).counts).std(axis=0)
        for engine in (Engine.open(model, CPU), without_loadings(model))
    ]
    assert np.median(spread[0] - spread[1]) > 0.05


def test_log_rates_of_generated_samples_vary_together_as_the_loadings_say(model: Model) -> None:
    """Against a gene without loadings: covariance scale^2 L^T L, and the network's mean, within five standard
    errors.
    """
    network, depth = quiet_network(model), {"condition_of": CONDITION, "total_count": 2_000_000_000}
    engine = Engine(model, network, CPU)
    estimate = engine.generate(make_batch(1, deterministic=True, generation=False, **depth)).counts[0]
    genes = np.flatnonzero(estimate > 200_000)
    genes = genes[genes > 0][:40]
    assert len(genes) == 40
    batch = make_batch(SAMPLES, deterministic=True, **depth)
    counts = engine.generate(batch).counts.astype(np.float64)
    drawn = np.log(counts[:, genes] / counts[:, :1])
    scale = network.condition(network.tokens([batch.conditions[CONDITION]])).residual_scale.item()
    assert abs(scale - 1) > 0.05
    loadings = network.loadings[:, genes].double().numpy()
    expected = scale**2 * loadings.T @ loadings
    variance = np.diag(expected)
    error = np.sqrt((np.outer(variance, variance) + expected**2) / SAMPLES)
    assert (np.abs(np.cov(drawn.T) - expected) < 5 * error).all()
    middle = network.residual(torch.zeros(1, len(network.loadings)), torch.full((1, 1), scale))[0].numpy()
    shift = drawn.mean(axis=0) - np.log(estimate[genes] / estimate[0])
    assert (np.abs(shift - (middle[genes] - middle[0])) < 5 * np.sqrt(variance / SAMPLES)).all()


def test_factors_belong_to_the_sample(model: Model) -> None:
    """Another seed, another draw; the same seed in another batch, the same."""
    engine = Engine(model, quiet_network(model), CPU)
    one, again, other = (
        engine.generate(make_batch(samples, deterministic=True, seed=seed))
        for samples, seed in ((1, 7), (50, 7), (1, 8))
    )
    assert_equal_bits(reorder(again, np.array([0])), one)
    assert not np.array_equal(one.counts, other.counts)
