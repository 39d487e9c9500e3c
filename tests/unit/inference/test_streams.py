"""A sample's random words follow from its key alone, and pass for random."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from worker.inference.streams import Purpose, WordSource, normal, signed_uniform, stream_keys

WEIGHTS = "5a" * 32
_64_BITS = 2**64 - 1


def keys(samples: int = 1, seed: int = 1, input_index: int = 0, weights: str = WEIGHTS) -> NDArray[np.uint64]:
    return stream_keys(
        weights,
        np.full(samples, seed, np.uint64),
        np.full(samples, input_index, np.int64),
        np.arange(samples, dtype=np.int64),
    )


def words(key: NDArray[np.uint64], count: int, purpose: Purpose = Purpose.NOISE) -> NDArray[np.int32]:
    filled = np.empty(count, np.int32)
    WordSource().fill(filled, key, purpose)
    return filled


def normals(samples: int, genes: int, seed: int = 1, purpose: Purpose = Purpose.NOISE) -> NDArray[np.float64]:
    """[samples, genes] standard normals, each row from the stream of one sample."""
    drawn = torch.from_numpy(np.stack([words(key, genes, purpose) for key in keys(samples, seed)]))
    uniform = signed_uniform(drawn, torch.empty(drawn.shape))
    return normal(uniform, torch.empty(drawn.shape)).double().numpy()


def philox(counter: tuple[int, ...], key: tuple[int, int]) -> tuple[int, ...]:
    """One block of Philox4x64-10, as its paper defines it."""
    a, b, c, d = counter
    low, high = key
    for _ in range(10):
        first, second = 0xD2E7470EE14C6C93 * a, 0xCA5A826395121157 * c
        a, b, c, d = (
            (second >> 64) ^ b ^ low,
            second & _64_BITS,
            (first >> 64) ^ d ^ high,
            first & _64_BITS,
        )
        low, high = (low + 0x9E3779B97F4A7C15) & _64_BITS, (high + 0xBB67AE8584CAA73B) & _64_BITS
    return a, b, c, d


def test_our_reading_of_philox_gives_the_published_answer() -> None:
    assert philox((0, 0, 0, 0), (0, 0)) == (
        0x16554D9ECA36314C,
        0xDB20FE9D672D0FDC,
        0xD7E772CEE186176B,
        0x7E68B68AEC7BA23B,
    )


@pytest.mark.parametrize("purpose", Purpose)
def test_words_are_philox_of_the_key_the_purpose_and_the_place(purpose: Purpose) -> None:
    key = keys(3)[2]
    blocks = [philox((block, 0, 0, purpose), (int(key[0]), int(key[1]))) for block in (1, 2, 3)]
    expected = np.array(blocks, np.uint64).ravel().view(np.int32)
    assert np.array_equal(words(key, expected.size, purpose), expected)


def test_a_word_does_not_depend_on_how_many_are_read() -> None:
    key = keys()[0]
    assert np.array_equal(words(key, 20_000)[:64], words(key, 64))


def test_a_source_that_read_other_streams_reads_this_one_alike() -> None:
    source, [first, second] = WordSource(), keys(2)
    filled = np.empty(66, np.int32)
    source.fill(filled, first, Purpose.COUNT)
    source.fill(filled, second, Purpose.NOISE)
    assert np.array_equal(filled, words(second, 66))


def test_keys_stay_what_they_are() -> None:
    """Another value here means that every seed ever used now gives other samples."""
    key = keys(2, seed=2**64 - 1, input_index=7)[1]
    assert [f"{half:016x}" for half in key] == ["291ae61a36054304", "f9e88d4714b23744"]


def test_every_part_of_a_samples_name_changes_its_key() -> None:
    names = itertools.product((0, 1, 2**63), (0, 1), (WEIGHTS, "5b" * 32))
    variants = np.concatenate([keys(100, seed, place, weights) for seed, place, weights in names])
    assert len(np.unique(variants, axis=0)) == len(variants) == 1200


def test_normals_follow_the_normal_distribution() -> None:
    drawn = normals(64, 16_384).ravel()
    count = drawn.size
    # Each power of a normal, its mean, and the variance of the power.
    for power, mean, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs(np.mean(drawn**power) - mean) < 4 * math.sqrt(variance / count)
    # Kolmogorov and Smirnov: a statistic above 1.95 has a probability of 0.001.
    ordered = torch.special.ndtr(torch.from_numpy(np.sort(drawn))).numpy()
    distance = np.abs(ordered - (np.arange(count) + 0.5) / count).max()
    assert distance * math.sqrt(count) < 1.95


def test_tails_have_their_weight() -> None:
    drawn = np.abs(normals(64, 16_384).ravel())
    for threshold in (2.0, 3.0, 4.0):
        expected = drawn.size * math.erfc(threshold / math.sqrt(2))
        assert abs(np.sum(drawn > threshold) - expected) < 4 * math.sqrt(expected)


Pair = tuple[NDArray[np.float64], NDArray[np.float64]]
NEIGHBOURS: dict[str, Callable[[], Pair]] = {
    "samples": lambda: (normals(65, 4096)[:-1], normals(65, 4096)[1:]),
    "genes": lambda: (normals(64, 4098)[:, :-2], normals(64, 4098)[:, 1:-1]),
    "seeds": lambda: (normals(64, 4096, seed=1), normals(64, 4096, seed=2)),
    "purposes": lambda: (normals(64, 4096), normals(64, 4096, purpose=Purpose.COUNT)),
}


@pytest.mark.parametrize("kind", NEIGHBOURS)
def test_neighbours_are_independent(kind: str) -> None:
    """Neither the values nor their sizes correlate, and pairs fill the unit square evenly."""
    left, right = (values.ravel() for values in NEIGHBOURS[kind]())
    bound = 4 / math.sqrt(left.size)
    assert abs(np.corrcoef(left, right)[0, 1]) < bound
    assert abs(np.corrcoef(left**2, right**2)[0, 1]) < bound
    edges = torch.special.ndtri(torch.arange(1, 16).double() / 16).numpy()
    cells = np.bincount(16 * np.searchsorted(edges, left) + np.searchsorted(edges, right), minlength=256)
    expected = left.size / 256
    # Chi-squared with 255 degrees of freedom exceeds 330 with a probability of 0.001.
    assert ((cells - expected) ** 2 / expected).sum() < 330


def test_the_extreme_words_give_finite_normals() -> None:
    extremes = torch.tensor([-(2**31), 2**31 - 1, 0, -1, 1], dtype=torch.int32)
    uniform = signed_uniform(extremes, torch.empty(5))
    drawn = normal(uniform, torch.empty(5))
    assert uniform.abs().max() < 1
    assert drawn[2] == 0
    assert drawn.abs().max() == pytest.approx(5.42, abs=0.01)
    assert drawn[0] == -drawn[1]
