"""Blocks shrink until equal rows come out equal."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from worker.inference.block import repeatable_rows

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
