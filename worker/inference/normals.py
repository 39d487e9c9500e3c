"""Standard normals for the samples of a block, each sample's from its own stream. Knows no network."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worker.inference.sampling import padded
from worker.inference.streams import Purpose, WordSource, normal, signed_uniform


class Normals:
    """Draws `numbers` normals for each of up to `rows` samples; each thread has its own, for its buffer."""

    def __init__(self, rows: int, numbers: int, purpose: Purpose, device: torch.device) -> None:
        self._numbers, self._purpose, self._device = numbers, purpose, device
        self._words = np.zeros((rows, padded(numbers)), np.int32)
        self._source = WordSource()

    def draw(self, keys: NDArray[np.uint64]) -> Tensor:
        """Normals [rows, numbers] of the streams `keys` [n, 2]; rows past the n-th are used by nobody."""
        for row, key in zip(self._words, keys, strict=False):
            self._source.fill(row, key, self._purpose)
        uniform = torch.empty(self._words.shape, device=self._device)
        signed_uniform(torch.from_numpy(self._words).to(self._device), uniform)
        return normal(uniform, torch.empty_like(uniform))[:, : self._numbers]
