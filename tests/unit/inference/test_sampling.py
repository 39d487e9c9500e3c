"""Counts follow their distributions, as closely as the module says.

Distributions are compared without chance: a draw is a function of one uniform number, so a fine grid of
uniform numbers gives the probability of each count.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from worker.inference.sampling import SWITCH, CountSampler, padded, poisson, rounded
from worker.inference.streams import stream_keys

GRID = 1 << 21
CPU = torch.device("cpu")
JUST_BELOW = math.nextafter(SWITCH, 0.0) - 1e-6
Floats = NDArray[np.float64]


def counts_of(mean: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """Poisson counts of means and signed uniforms of any number, the arguments kept."""
    margin = (0, padded(len(mean)) - len(mean))
    padded_mean, padded_uniform = (torch.nn.functional.pad(values, margin) for values in (mean, uniform))
    scratch = [torch.empty_like(padded_mean) for _ in range(5)]
    return poisson(padded_mean, padded_uniform, scratch)[: len(mean)].clone()


def grid() -> torch.Tensor:
    """Signed uniforms at the middles of equal steps."""
    return ((torch.arange(GRID, dtype=torch.float64) + 0.5) / GRID * 2 - 1).float()


def drawn_distribution(mean: float) -> Floats:
    counts = counts_of(torch.full((GRID,), mean), grid()).long()
    return (torch.bincount(counts).double() / GRID).numpy()


def poisson_distribution(mean: float, size: int) -> Floats:
    """P(X = 0), ..., P(X = size - 1)."""
    exact, k = torch.tensor(mean, dtype=torch.float64), torch.arange(size, dtype=torch.float64)
    return torch.exp(k * exact.log() - exact - torch.lgamma(k + 1)).numpy()


def moments(distribution: Floats) -> tuple[float, float, float]:
    """Mean, variance and skewness."""
    k = np.arange(len(distribution))
    mean = float((distribution * k).sum())
    central = [float((distribution * (k - mean) ** power).sum()) for power in (2, 3)]
    return mean, central[0], central[1] / central[0] ** 1.5


def total_variation(one: Floats, other: Floats) -> float:
    return 0.5 * float(np.abs(one - other).sum() + (1 - other.sum()))


@pytest.mark.parametrize("mean", [0.001, 0.03, 0.3, 1.0, 3.0, 6.0, JUST_BELOW])
def test_below_the_switch_draws_are_exact(mean: float) -> None:
    drawn = drawn_distribution(mean)
    assert total_variation(drawn, poisson_distribution(mean, len(drawn))) < 1e-5
    average, variance, skewness = moments(drawn)
    # The grid cannot tell less than a few of its steps apart.
    assert average == pytest.approx(mean, rel=1e-4, abs=4 / GRID)
    assert variance == pytest.approx(mean, rel=2e-4, abs=4 / GRID)
    assert skewness == pytest.approx(mean**-0.5, rel=3e-3)


@pytest.mark.parametrize(
    ("mean", "distance"), [(SWITCH, 1.5e-4), (12.0, 1e-4), (20.0, 4e-5), (50.0, 2e-5), (300.0, 1e-4)]
)
def test_from_the_switch_on_draws_are_close(mean: float, distance: float) -> None:
    """At most 1.5e-4 of the probability is misplaced: some 10^7 draws of one gene are needed to notice."""
    drawn = drawn_distribution(mean)
    assert total_variation(drawn, poisson_distribution(mean, len(drawn))) < distance
    average, variance, skewness = moments(drawn)
    assert average == pytest.approx(mean, rel=1e-6)
    assert variance == pytest.approx(mean, rel=3e-4)
    assert skewness == pytest.approx(mean**-0.5, rel=1e-3)


@pytest.mark.parametrize("mean", [1e4, 1e6, 1e8])
def test_large_means_keep_their_mean_and_variance(mean: float) -> None:
    drawn = counts_of(torch.full((GRID,), mean), grid()).double()
    assert drawn.mean().item() == pytest.approx(mean, rel=1e-6)
    assert drawn.var().item() == pytest.approx(mean, rel=1e-3)


@pytest.mark.parametrize("uniform", [0.0, 1e-9, 1e-7])
def test_rare_uniforms_give_the_tail_and_nothing_absurd(uniform: float) -> None:
    """Rounding must not leave a tail that never ends: the count drawn is one that does occur."""
    means = torch.linspace(1e-6, JUST_BELOW, 100_000)
    counts = counts_of(means, torch.full_like(means, uniform)).double()
    beyond = torch.special.gammainc(counts, means.double())  # P(X >= count), 1 for a count of 0
    assert beyond[counts > 0].min().item() > 1e-9


def test_no_expression_means_no_counts() -> None:
    assert counts_of(torch.zeros(GRID), grid()).sum() == 0


def test_the_largest_rates_fit_a_count() -> None:
    sampler = CountSampler(1, 64, CPU)
    counts = sampler.draw(torch.full((1, 64), 1e12), torch.full((1, 64), 0.5), sample_keys(1))
    assert 1_990_000_000 < counts.min() <= counts.max() < 2**31 - 1


def test_a_count_does_not_depend_on_its_place_or_its_neighbours() -> None:
    generator = torch.Generator().manual_seed(1)
    mean = torch.exp(3 * torch.randn(10_000, generator=generator) + 2)
    uniform = torch.rand(10_000, generator=generator) * 2 - 1
    order = torch.randperm(10_000, generator=generator)
    together = counts_of(mean, uniform)
    assert torch.equal(counts_of(mean[order], uniform[order]), together[order])
    assert torch.equal(
        torch.cat([counts_of(mean[i : i + 7], uniform[i : i + 7]) for i in range(0, 700, 7)]), together[:700]
    )


@pytest.mark.parametrize(("expected", "sd"), [(0.7, 0.4), (25.0, 0.4), (4000.0, 0.2)])
def test_generated_counts_are_poisson_lognormal(expected: float, sd: float) -> None:
    """Mean m, variance m + m^2 (exp(sd^2) - 1): within four standard errors over 1.3 million draws."""
    rows, width = 64, 20_032
    sampler = CountSampler(rows, width, CPU)
    full = torch.full((rows, width), expected)
    counts = sampler.draw(full, torch.full_like(full, sd), sample_keys(rows)).double()
    variance = expected + expected**2 * math.expm1(sd**2)
    assert abs(counts.mean().item() - expected) < 4 * math.sqrt(variance / counts.numel())
    assert counts.var().item() == pytest.approx(variance, rel=0.02)


def test_genes_and_samples_vary_independently() -> None:
    full = torch.full((64, 4096), 100.0)
    counts = (
        CountSampler(64, 4096, CPU).draw(full, torch.full_like(full, 0.3), sample_keys(64)).double().numpy()
    )
    bound = 4 / math.sqrt(counts.size)
    assert abs(np.corrcoef(counts[:, 1:].ravel(), counts[:, :-1].ravel())[0, 1]) < bound
    assert abs(np.corrcoef(counts[1:].ravel(), counts[:-1].ravel())[0, 1]) < bound


def test_a_sample_is_drawn_alike_in_tiles_of_any_size() -> None:
    generator = torch.Generator().manual_seed(2)
    expected = torch.exp(3 * torch.randn(12, 704, generator=generator) + 2)
    noise, keys = torch.full_like(expected, 0.3), sample_keys(12)
    sampler = CountSampler(12, 704, CPU)
    together = sampler.draw(expected, noise, keys)
    for size in (1, 5):
        parts = [
            sampler.draw(expected[i : i + size], noise[i : i + size], keys[i : i + size])
            for i in range(0, 12, size)
        ]
        assert torch.equal(torch.cat(parts), together)


def test_mean_estimates_are_whole_and_not_negative() -> None:
    counts = rounded(torch.tensor([0.0, 0.2, 0.5, 1.5, 2.6, 1e6 + 0.25, 1e12]))
    assert counts.dtype == torch.int32
    assert counts.tolist() == [0, 0, 0, 2, 3, 1_000_000, 2**31 - 128]


def test_twice_the_depth_gives_twice_the_mean_estimate_to_rounding() -> None:
    expected = torch.rand(10_000, generator=torch.Generator().manual_seed(3)) * 500
    assert (rounded(2 * expected) - 2 * rounded(expected)).abs().max() <= 1


def sample_keys(samples: int) -> NDArray[np.uint64]:
    numbers = np.arange(samples, dtype=np.int64)
    return stream_keys("5a" * 32, np.ones(samples, np.uint64), np.zeros(samples, np.int64), numbers)
