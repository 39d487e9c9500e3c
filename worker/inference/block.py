"""A block of samples through one network: conditions, latents, expected counts, counts.

Everything up to the expected counts is computed in one padded shape, since a BLAS may add up a row
differently in a batch of 1 and in a batch of 64. Knows not which jobs its samples belong to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from worker.inference.batch import Indices
from worker.inference.conditioning import Conditioning
from worker.inference.devices import Layout
from worker.inference.network import Condition, ExpressionNetwork, Tokens
from worker.inference.normals import Normals
from worker.inference.sampling import CountSampler, padded, rounded
from worker.inference.streams import Purpose
from worker.inference.validate import check_finite


@dataclass(frozen=True, slots=True)
class Block:
    """n samples, of C conditions [C, terms]; `condition_of` [n] ascends. `keys` [n, 2] are random streams."""

    tokens: Tokens
    conditioning: Conditioning | None
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
        sizes = network.architecture
        self._latents = Normals(self._rows, sum(sizes.latent_sizes.values()), Purpose.LATENT, device)
        self._factors = Normals(self._rows, sizes.residual, Purpose.FACTOR, device)
        self._expected = torch.zeros(self._rows, self._width, device=device)
        self._tile_rows = max(1, min(self._rows, layout.tile_elements // self._width))
        self._sampler = CountSampler(self._tile_rows, self._width, device)
        self._said: tuple[Tensor, Condition] | None = None

    @torch.inference_mode()
    def run(self, block: Block, counts: NDArray[np.int32], latents: NDArray[np.float32], to: Indices) -> None:
        """Write the samples to the rows `to` [n] of counts [N, genes] and latents [N, dimensions].

        Raises GenerationError on rates that are not finite.
        """
        condition = self._condition(block)
        latent = self._draw_latent(block, condition)
        self._expect(block, condition, latent)
        latents[to] = latent[: len(to)].cpu().numpy()
        for rows, tile in self._count(block, condition.noise_sd):
            counts[to[rows]] = tile[:, : self._network.num_genes].cpu().numpy()

    def _condition(self, block: Block) -> Condition:
        """What network and references say of each condition; noise has the width of the padded genes.

        What the network said last is kept where it is little: neighbouring blocks often share a condition.
        """
        membership = block.tokens.membership
        if self._said is not None and torch.equal(self._said[0], membership):
            condition = self._said[1]
        else:
            condition = self._ask_network(membership)
            self._said = (membership, condition) if len(membership) <= self._layout.condition_rows else None
        return condition if block.conditioning is None else block.conditioning.of(condition)

    def _ask_network(self, membership: Tensor) -> Condition:
        size = self._layout.condition_rows
        parts = [
            self._network.condition(Tokens(_filled(membership[start : start + size], size)))
            for start in range(0, len(membership), size)
        ]
        columns = {
            name: torch.cat([getattr(part, name) for part in parts])[: len(membership)]
            for name in Condition.__slots__
        }
        check_finite(columns["noise_sd"], "noise levels")
        columns["noise_sd"] = pad(columns["noise_sd"], (0, self._width - self._network.num_genes))
        return Condition(**columns)

    def _draw_latent(self, block: Block, condition: Condition) -> Tensor:
        """Latents [rows, dimensions]: draws from their Gaussian, or its mean for deterministic samples.

        The rows after the last sample are of its condition, and used by nobody.
        """
        place = self._per_row(block.condition_of)
        deviate = self._latents.draw(block.keys) * self._per_row(~block.deterministic).unsqueeze(1)
        return deviate.mul_(condition.latent_sd[place]).add_(condition.latent_mean[place])

    def _expect(self, block: Block, condition: Condition, latent: Tensor) -> None:
        """Write expected counts, total * softmax(log rate), [rows, padded genes]; the padding stays zero."""
        place = self._per_row(block.condition_of)
        log_rate = self._network.decode(latent, condition.factor_shift[place])
        bounds = np.searchsorted(block.condition_of, np.arange(len(condition.gene_effect) + 1))
        for effect, start, stop in zip(condition.gene_effect, bounds, bounds[1:], strict=False):
            log_rate[start:stop].add_(effect)
        if block.generation.any():
            # A scale of zero leaves mean estimates exactly as they are.
            scale = condition.residual_scale[place] * self._per_row(block.generation).unsqueeze(1)
            log_rate.add_(self._network.residual(self._factors.draw(block.keys), scale))
        check_finite(log_rate, "expression rates")
        share = torch.softmax(log_rate, 1)
        total = self._per_row(block.total_count).unsqueeze(1)
        torch.mul(share, total, out=self._expected[:, : share.shape[1]])

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

    def _per_row(self, values: NDArray[np.generic]) -> Tensor:
        """One value for each row of the block: the last sample's stands in for those that are missing."""
        return self._on_device(np.pad(values, (0, self._rows - len(values)), "edge"))

    def _on_device(self, values: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(values).to(self._device)


def _filled(rows: Tensor, number: int) -> Tensor:
    """Rows [n, K], made up to [number, K] by repeating the last one."""
    return torch.cat([rows, rows[-1:].expand(number - len(rows), -1)])
