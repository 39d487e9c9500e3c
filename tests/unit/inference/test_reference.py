"""What a real sample has of its own: believed as far as its reads go, and nothing where it is as expected."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.support.networks import small_network
from worker.inference.encoder import Posterior
from worker.inference.reference import carry_over

GENES = 20


@pytest.fixture
def network():
    made = small_network()
    made.gene_log_variance.fill_(np.log(0.05))
    made.loadings.zero_()
    made.ceiling.fill_(50.0)
    return made


def posterior(network, **slices: float) -> Posterior:
    mean = torch.zeros(1, 10)
    for group, value in slices.items():
        mean[:, network.latent_slices[group]] = value
    return Posterior(mean, torch.ones_like(mean))


def expected(network, found: Posterior, total: float) -> torch.Tensor:
    return total * torch.softmax(network.decode(found.mean), 1)


def test_a_sample_as_expected_has_nothing_of_its_own(network) -> None:
    found = posterior(network)
    departure = carry_over(network, expected(network, found, 1e6), found)
    assert departure.abs().max() < 1e-3


def test_a_gene_departs_by_as_much_as_its_reads_can_tell(network) -> None:
    """Twice as many reads as expected: nearly log 2 where there are many, nearly 0 where there are few."""
    found = posterior(network)
    sizes = []
    for total in (20.0, 2e3, 2e6):
        counts = expected(network, found, total)
        gene = int(counts.argmax())
        counts[0, gene] *= 2
        sizes.append(carry_over(network, counts, found)[0, gene].item())
    assert 0 <= sizes[0] < sizes[1] < sizes[2] < np.log(2)
    assert sizes[0] < 0.2
    assert sizes[2] > 0.5


def test_no_read_is_evidence_only_where_reads_were_expected(network) -> None:
    found = posterior(network)
    network.output.bias[3] += 6.0
    for total, low, high in ((1e6, -12.0, -0.5), (0.1, -0.01, 0.0)):
        counts = expected(network, found, total)
        counts[0, 3] = 0.0
        assert low < carry_over(network, counts, found)[0, 3].item() <= high


def test_it_is_the_mode_of_a_lognormal_rate_given_poisson_counts(network) -> None:
    """Against a search on a grid, for a sample that departs no more than a replicate does."""
    found = posterior(network)
    rate = expected(network, found, 3000.0)
    counts = torch.poisson(rate * (0.1 * torch.randn(rate.shape)).exp())
    departure = carry_over(network, counts, found)[0].double().numpy()
    rate = (counts.sum() * torch.softmax(network.decode(found.mean), 1))[0].double().numpy()
    grid = np.linspace(-1, 1, 20_001)[:, None]
    posterior_density = counts[0].double().numpy() * grid - rate * np.exp(grid) - grid**2 / (2 * 0.05)
    np.testing.assert_allclose(departure, grid[posterior_density.argmax(axis=0), 0], atol=2e-4)


def test_a_sample_that_departs_as_a_whole_is_believed_more(network) -> None:
    """Another laboratory's: with all its genes away, the same gene is drawn back less."""
    found = posterior(network)
    near = expected(network, found, 2000.0)
    gene = int(near.argmax())
    near[0, gene] *= 1.5
    far = near * torch.tensor([3.0, 1 / 3.0]).repeat(GENES // 2)
    far[0, gene] = near[0, gene] * far.sum() / near.sum()
    assert carry_over(network, far, found)[0, gene] > carry_over(network, near, found)[0, gene]


def test_the_perturbation_latents_are_the_sample_s_own_unless_they_are_taken_too(network) -> None:
    found = posterior(network, perturbation=2.0)
    counts = expected(network, found, 1e6)
    assert carry_over(network, counts, found, with_perturbation=True).abs().max() < 1e-3
    assert carry_over(network, counts, found).abs().max() > 0.1
