"""A block of samples through one network: conditions, latents, expected counts, counts.

Everything up to the expected counts is computed in one padded shape, since a BLAS may add up a row
differently in a batch of 1 and in a batch of 64. Knows not which jobs its samples belong to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worker.inference.devices import Layout
from worker.inference.network import Condition, ExpressionNetwork, Tokens
from worker.inference.sampling import CountSampler, padded, rounded
from worker.inference.streams import Purpose, WordSource, normal, signed_uniform
from worker.inference.validate import check_finite

Indices = NDArray[np.int64]
_PROBES = 8  # rows that are tried at every place of a block


@dataclass(frozen=True, slots=True)
class Block:
    """n samples, of C conditions [C, terms]; `condition_of` [n] ascends. `keys` [n, 2] are random streams."""

    tokens: Tokens
    condition_of: Indices
    keys: NDArray[np.uint64]
    total_count: Indices
    deterministic: NDArray[np.bool_]
    generation: NDArray[np.bool_]


class BlockRunner:
    """Computes blocks of up to `rows` samples, one at a time; each thread has its own, for its buffers."""

    def __init__(self, network: ExpressionNetwork, layout: Layout, device: torch.device) -> None:
        self._network, self._layout, self._device = network, layout, device
        self._rows, self._width = layout.block_rows, padded(network.num_genes)
        self._dimensions = max(place.stop for place in network.latent_slices.values())
        self._words = np.zeros((self._rows, padded(self._dimensions)), np.int32)
        self._source = WordSource()
        self._expected = torch.zeros(self._rows, self._width, device=device)
        self._tile_rows = max(1, min(self._rows, layout.tile_elements // self._width))
        self._sampler = CountSampler(self._tile_rows, self._width, device)

    @torch.inference_mode()
    def run(self, block: Block, counts: NDArray[np.int32], latents: NDArray[np.float32], to: Indices) -> None:
        """Write the samples to the rows `to` [n] of counts [N, genes] and latents [N, dimensions].

        Raises GenerationError on rates that are not finite.
        """
        condition = self._condition(block.tokens)
        latent = self._draw_latent(block, condition)
        self._expect(block, condition, latent)
        latents[to] = latent[: len(to)].cpu().numpy()
        for rows, tile in self._count(block, condition.noise_sd):
            counts[to[rows]] = tile[:, : self._network.num_genes].cpu().numpy()

    def _condition(self, tokens: Tokens) -> Condition:
        """What the network says of each condition; noise has the width of the padded genes."""
        noise_sd = torch.zeros(len(tokens), self._width, device=self._device)
        parts = []
        for start in range(0, len(tokens), self._layout.condition_rows):
            rows = tokens.membership[start : start + self._layout.condition_rows]
            part = self._network.condition(Tokens(_filled(rows, self._layout.condition_rows)))
            noise_sd[start : start + len(rows), : self._network.num_genes] = part.noise_sd[: len(rows)]
            parts.append((part.latent_mean, part.latent_sd, part.gene_effect))
        check_finite(noise_sd, "noise levels")
        mean, sd, effect = (torch.cat(values)[: len(tokens)] for values in zip(*parts, strict=True))
        return Condition(mean, sd, effect, noise_sd)

    def _draw_latent(self, block: Block, condition: Condition) -> Tensor:
        """Latents [rows, dimensions]: draws from p(z | metadata), or its mean for deterministic samples.

        The rows after the last sample are of its condition, and used by nobody.
        """
        margin = (0, self._rows - len(block.keys))
        for row, key in zip(self._words, block.keys, strict=False):
            self._source.fill(row, key, Purpose.LATENT)
        uniform = torch.empty(self._words.shape, device=self._device)
        signed_uniform(self._on_device(self._words), uniform)
        deviate = normal(uniform, torch.empty_like(uniform))[:, : self._dimensions]
        deviate = deviate * self._on_device(~np.pad(block.deterministic, margin, "edge")).unsqueeze(1)
        condition_of = self._on_device(np.pad(block.condition_of, margin, "edge"))
        return deviate.mul_(condition.latent_sd[condition_of]).add_(condition.latent_mean[condition_of])

    def _expect(self, block: Block, condition: Condition, latent: Tensor) -> None:
        """Write expected counts, total * softmax(log rate), [rows, padded genes]; the padding stays zero."""
        log_rate = self._network.decode(latent)
        bounds = np.searchsorted(block.condition_of, np.arange(len(condition.gene_effect) + 1))
        for effect, start, stop in zip(condition.gene_effect, bounds, bounds[1:], strict=False):
            log_rate[start:stop].add_(effect)
        check_finite(log_rate, "expression rates")
        total = np.pad(block.total_count, (0, self._rows - len(block.keys)))
        share = torch.softmax(log_rate, 1)
        torch.mul(share, self._on_device(total).unsqueeze(1), out=self._expected[:, : share.shape[1]])

    def _count(self, block: Block, noise_sd: Tensor) -> Iterator[tuple[Indices, Tensor]]:
        """Counts of some rows at a time: rounded, or drawn where measurement error is wanted."""
        for rows in self._tiles(np.flatnonzero(~block.generation)):
            yield rows, rounded(self._expected.index_select(0, self._on_device(rows)))
        for rows in self._tiles(np.flatnonzero(block.generation)):
            deviation = noise_sd.index_select(0, self._on_device(block.condition_of[rows]))
            expected = self._expected.index_select(0, self._on_device(rows))
            yield rows, self._sampler.draw(expected, deviation, block.keys[rows])

    def _tiles(self, rows: Indices) -> Iterator[Indices]:
        for start in range(0, len(rows), self._tile_rows):
            yield rows[start : start + self._tile_rows]

    def _on_device(self, values: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(values).to(self._device)


def _filled(rows: Tensor, number: int) -> Tensor:
    """Rows [n, K], made up to [number, K] by repeating the last one."""
    return torch.cat([rows, rows[-1:].expand(number - len(rows), -1)])


def repeatable_layout(network: ExpressionNetwork, layout: Layout, device: torch.device) -> Layout:
    """The layout with blocks small enough that a row's products do not depend on its place in them."""
    generator = torch.Generator().manual_seed(0)
    dimensions = max(place.stop for place in network.latent_slices.values())
    latents = torch.randn(_PROBES, dimensions, generator=generator).to(device)
    terms = network.tokens([{}]).membership.shape[1]
    memberships = torch.rand(_PROBES, terms, generator=generator).to(device)

    def condition(membership: Tensor) -> Tensor:
        part = network.condition(Tokens(membership))
        return torch.cat([part.latent_mean, part.latent_sd, part.gene_effect, part.noise_sd], 1)

    with torch.inference_mode():
        return replace(
            layout,
            block_rows=repeatable_rows(network.decode, latents, layout.block_rows),
            condition_rows=repeatable_rows(condition, memberships, layout.condition_rows),
        )


def repeatable_rows(product: Callable[[Tensor], Tensor], probes: Tensor, rows: int) -> int:
    """The largest of `rows`, a quarter of it, and so on down to 1, whose products do not depend on the place.

    Each of `probes` [P, K] is repeated that many times; equal rows must come out of `product` equal. For some
    shapes, libraries round the last rows of a block their own way; smaller blocks are then the price.
    """
    while rows > 1:
        results = [product(probe.repeat(rows, 1)) for probe in probes]
        if all(torch.equal(result, result[:1].expand_as(result)) for result in results):
            break
        rows = max(1, rows // 4)
    return rows
