"""How many rows may share a matrix product: as many as leave each row's bits independent of its place.

For some shapes, libraries round the last rows of a block their own way; smaller blocks are then the price.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from worker.inference.devices import Layout
from worker.inference.network import ExpressionNetwork, Tokens
from worker.inference.reference import carry_over

_PROBES = 8  # rows that are tried at every place of a block

Product = Callable[[Tensor], Tensor]


def repeatable_layout(network: ExpressionNetwork, layout: Layout, device: torch.device) -> Layout:
    """The layout with blocks small enough that a row's products do not depend on its place in them."""
    generator = torch.Generator().manual_seed(0)

    def probes(width: int) -> Tensor:
        return torch.randn(_PROBES, width, generator=generator).to(device)

    numbers = sum(network.architecture.latent_sizes.values()) + network.architecture.residual
    terms = network.tokens([{}]).membership.shape[1]
    counts = (3 * probes(network.num_genes) + 2).exp().floor()
    with torch.inference_mode():
        return replace(
            layout,
            block_rows=repeatable_rows(_rates(network), probes(numbers), layout.block_rows),
            condition_rows=repeatable_rows(
                _condition(network), probes(terms).abs().clamp(max=1.0), layout.condition_rows
            ),
            reference_rows=repeatable_rows(_reference(network), counts, layout.reference_rows),
        )


def repeatable_rows(product: Product, probes: Tensor, rows: int) -> int:
    """The largest of `rows`, a quarter of it, and so on down to 1, whose products do not depend on the place.

    Each of `probes` [P, K] is repeated that many times; equal rows must come out of `product` equal.
    """
    while rows > 1:
        results = [product(probe.repeat(rows, 1)) for probe in probes]
        if all(torch.equal(result, result[:1].expand_as(result)) for result in results):
            break
        rows = max(1, rows // 4)
    return rows


def _rates(network: ExpressionNetwork) -> Product:
    """What is computed of a block of samples, from their latents and residual factors side by side."""

    def rates(numbers: Tensor) -> Tensor:
        latent, deviate = numbers.tensor_split([-network.architecture.residual], 1)
        scale = torch.ones_like(deviate[:, :1])
        return torch.cat([network.decode(latent), network.residual(deviate, scale)], 1)

    return rates


def _condition(network: ExpressionNetwork) -> Product:
    """What is computed of conditions, from their memberships."""

    def condition(membership: Tensor) -> Tensor:
        part = network.condition(Tokens(membership))
        return torch.cat([getattr(part, name) for name in part.__slots__], 1)

    return condition


def _reference(network: ExpressionNetwork) -> Product:
    """What is computed of real samples, from their counts."""

    def reference(counts: Tensor) -> Tensor:
        posterior = network.encode(counts)
        parts = [posterior.mean, posterior.sd, network.decode(posterior.mean)]
        parts += [carry_over(network, counts, posterior, with_perturbation=taken) for taken in (False, True)]
        return torch.cat([*parts, *network.classify(posterior.mean).values()], 1)

    return reference
