"""Blocks shrink until equal rows come out equal, whatever is computed of a block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.support.models import tiny_model
from tests.support.networks import small_vocabulary
from worker.inference.checkpoint import load_network
from worker.inference.devices import Layout, one_thread_per_operation
from worker.inference.network import Architecture, ExpressionNetwork
from worker.inference.repeatable import repeatable_layout, repeatable_rows

CPU = torch.device("cpu")
PROBES = torch.arange(6.0).reshape(3, 2)


def uneven_from(rows: int) -> Callable[[Tensor], Tensor]:
    """A product that treats the last row apart in blocks of that many rows or more."""

    def product(latent: Tensor) -> Tensor:
        result = latent * 2
        if len(latent) >= rows:
            result[-1] = torch.nextafter(result[-1], torch.tensor(torch.inf))
        return result

    return product


def test_a_product_that_treats_rows_alike_keeps_the_block() -> None:
    assert repeatable_rows(uneven_from(1000), PROBES, 32) == 32


def test_a_product_that_treats_the_last_row_apart_gets_smaller_blocks() -> None:
    assert repeatable_rows(uneven_from(32), PROBES, 32) == 8
    assert repeatable_rows(uneven_from(8), PROBES, 32) == 2


def test_one_row_is_always_alike() -> None:
    assert repeatable_rows(uneven_from(1), PROBES, 32) == 1


def test_one_probe_that_comes_out_uneven_is_enough() -> None:
    def product(latent: Tensor) -> Tensor:
        return uneven_from(2)(latent) if latent[0, 0] == 4 else latent

    assert repeatable_rows(product, PROBES, 32) == 1


class Uneven(nn.Module):
    """A layer that treats the last row of a block apart."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, values: Tensor) -> Tensor:
        return uneven_from(2)(self.layer(values))


class UnevenResidual(ExpressionNetwork):
    """A network that treats the last row of a block apart, in what its genes share."""

    def residual(self, deviate: Tensor, scale: Tensor) -> Tensor:
        return uneven_from(2)(super().residual(deviate, scale))


def layout_of(network: ExpressionNetwork) -> Layout:
    with one_thread_per_operation():
        return repeatable_layout(network, Layout.of(CPU), CPU)


@pytest.mark.parametrize(
    ("part", "alone"),
    [
        ("response", {"block_rows", "reference_rows"}),  # a real sample is decoded too
        ("encoder.projection", {"reference_rows"}),
        ("heads.linear.sex", {"reference_rows"}),
        ("biological.skip", {"condition_rows"}),
    ],
)
def test_what_is_uneven_is_computed_row_by_row_and_nothing_else_is(
    tmp_path: Path, part: str, alone: set[str]
) -> None:
    network = load_network(tiny_model(tmp_path), CPU)
    before = layout_of(network)
    assert min(before.block_rows, before.condition_rows, before.reference_rows) > 1
    network.set_submodule(part, Uneven(network.get_submodule(part)))
    assert layout_of(network) == replace(before, **dict.fromkeys(alone, 1))


def test_an_uneven_residual_is_computed_row_by_row() -> None:
    assert layout_of(UnevenResidual(small_vocabulary(), 64, Architecture())).block_rows == 1
    assert layout_of(ExpressionNetwork(small_vocabulary(), 64, Architecture())).block_rows > 1
