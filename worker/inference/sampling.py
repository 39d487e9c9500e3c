"""From expected counts to counts: rounded for a mean estimate, Poisson-lognormal draws for a sample.

Elementwise only, so that a sample's counts do not depend on its neighbours: whole SIMD registers for all
transcendental functions (a vectorised loop may round its tail differently), and correctly rounded arithmetic
elsewhere. Knows no network.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worker.inference.streams import Purpose, WordSource, normal, signed_uniform

LANES = 64  # rows and selections are padded to a multiple of this; no SIMD loop takes more at once
SWITCH = 10.0  # means below it are drawn exactly, by search; the others by expansion
_MAX_COUNT = 2**31 - 128.0  # the largest float32 that an int32 holds
_MAX_MEAN = 2e9  # leaves room for its noise below _MAX_COUNT
_FIRST_STEPS, _ALL_STEPS = 6, 28  # P(X > 27) is below _TRIM for every mean below SWITCH
# Tail probabilities are lowered by this much, more than their rounding, so that none stays above zero.
_TRIM = 2.0**-19


def padded(genes: int) -> int:
    """`genes` rounded up to whole SIMD registers: the width of the rows that are sampled."""
    return -(-genes // LANES) * LANES


def rounded(expected: Tensor) -> Tensor:
    """Mean estimates as int32 counts: expected counts, rounded half to even."""
    return expected.clamp(max=_MAX_COUNT).round_().int()


class CountSampler:
    """Draws counts for tiles of up to `rows` samples of `width` genes; one sampler for each thread.

    Holds its buffers, because fresh memory costs more than the arithmetic.
    """

    def __init__(self, rows: int, width: int, device: torch.device) -> None:
        self._source = WordSource()
        self._words = np.empty((rows, width), np.int32)
        self._buffers = tuple(torch.empty(rows * width, device=device) for _ in range(7))

    def draw(self, expected: Tensor, noise_sd: Tensor, keys: NDArray[np.uint64]) -> Tensor:
        """Counts int32 [B, width] around `expected` [B, width]: rate * exp(sd e - sd^2 / 2), then Poisson.

        The log of a rate has standard deviation `noise_sd` [B, width]; keys [B, 2] are the samples' streams.
        """
        mean, uniform, *scratch = (buffer[: expected.numel()] for buffer in self._buffers)
        signed_uniform(self._read(Purpose.NOISE, keys, expected.device), uniform)
        deviation = noise_sd.view(-1)
        normal(uniform, mean).sub_(deviation, alpha=0.5).mul_(deviation).exp_().mul_(expected.view(-1))
        signed_uniform(self._read(Purpose.COUNT, keys, expected.device), uniform)
        return poisson(mean.clamp_(max=_MAX_MEAN), uniform, scratch).int().view_as(expected)

    def _read(self, purpose: Purpose, keys: NDArray[np.uint64], device: torch.device) -> Tensor:
        """The first words of each sample's stream, int32 [B * width]."""
        words = self._words[: len(keys)]
        for row, key in zip(words, keys, strict=True):
            self._source.fill(row, key, purpose)
        return torch.from_numpy(words).to(device).view(-1)


def poisson(mean: Tensor, uniform: Tensor, scratch: Sequence[Tensor]) -> Tensor:
    """Poisson counts, as floats, of means [N] between 0 and 2e9, given signed uniforms [N].

    N is a multiple of LANES. `scratch` is five float tensors [N], and the counts lie in one of them; the
    other contents, `mean` and `uniform` are lost. Total variation distance to the Poisson distribution: 1e-5
    below SWITCH, 1.5e-4 at SWITCH (mean right to 1e-6, variance to 3e-4) and falling with mean^-1.5, until
    float32's own spacing shows in means of 10,000 and more, to whose spread it is nothing.
    """
    one, two, three, spare, counts = scratch
    small = _positions(mean < SWITCH)
    _expand(mean, normal(uniform, one), (two, three), counts)
    few, tail = one[: padded(len(small))], two[: padded(len(small))]
    torch.index_select(mean, 0, small, out=few[: len(small)])
    torch.index_select(uniform, 0, small, out=tail[: len(small)])
    found = _search(few, tail.abs_(), (mean, uniform, three, spare))
    return counts.scatter_(0, small, found[: len(small)])


def _expand(mean: Tensor, deviate: Tensor, scratch: tuple[Tensor, Tensor], counts: Tensor) -> None:
    """Poisson quantiles from normal ones, by the Cornish-Fisher expansion to the order of 1 / mean.

    The continuous quantile x with Gamma(x, mean) / Gamma(x) = Phi(w), rounded down, is the Poisson quantile:
    x = m + w sqrt(m) + (2 + w^2) (1/6 - w / (72 sqrt(m))) + (w^4/270 + 7 w^2/810 - 8/405) / m
    (Giles, Algorithm 955, ACM Trans. Math. Softw. 42 (2016) 7). Writes to `counts`.
    """
    ratio, square = scratch
    torch.rsqrt(mean, out=ratio)
    torch.mul(deviate, deviate, out=square)
    torch.mul(square, 1 / 270, out=counts).add_(7 / 810).mul_(square).sub_(8 / 405).mul_(ratio).mul_(ratio)
    ratio.mul_(deviate)
    counts.add_(torch.mul(ratio, mean, out=deviate)).add_(mean)
    counts.add_(ratio.mul_(-1 / 72).add_(1 / 6).mul_(square.add_(2))).floor_().clamp_(min=0)


def _search(mean: Tensor, tail: Tensor, scratch: Sequence[Tensor]) -> Tensor:
    """Poisson counts of means below SWITCH by inversion: how many j >= 0 have P(X > j) > tail.

    Tail probabilities are as fine as float32 near zero, where rare counts are decided.
    """
    above, mass, counts, hit = (buffer[: len(mean)] for buffer in scratch)
    torch.expm1(torch.neg(mean, out=mass), out=above).mul_(_TRIM - 1)  # P(X > 0)
    mass.exp_()  # P(X = 0)
    torch.gt(above, tail, out=counts)
    _step((mean, tail, above, mass, counts), hit, range(1, _FIRST_STEPS))
    left = _positions(above > tail)
    rest = [values.index_select(0, left) for values in (mean, tail, above, mass, counts)]
    _step(rest, hit[: len(left)], range(_FIRST_STEPS, _ALL_STEPS))
    return counts.scatter_(0, left, rest[-1])


def _step(state: Sequence[Tensor], hit: Tensor, steps: range) -> None:
    """Go on to P(X = j) and P(X > j) for each j of `steps`, counting those tails that are still above."""
    mean, tail, above, mass, counts = state
    for j in steps:
        above.sub_(mass.mul_(mean).mul_(1 / j))
        counts.add_(torch.gt(above, tail, out=hit))


def _positions(mask: Tensor) -> Tensor:
    """Where a mask [N] is true, ascending; numpy finds it three times faster than torch on a CPU."""
    if mask.device.type == "cpu":
        return torch.from_numpy(np.flatnonzero(mask.numpy()))
    return mask.nonzero().squeeze(1)
