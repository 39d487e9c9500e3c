"""Random streams that belong to samples: a draw is a pure function of its sample's key, purpose and place.

Philox4x64-10 (Salmon, Moraes, Dror and Shaw, SC 2011), as numpy computes it: 3 ns for 64 bits on one core,
against 20 ns for its 32-bit form in torch's integer operations. So the words are made on the host for
every device; what is done with them runs on the device. Knows no model and no counts.
"""

from __future__ import annotations

import hashlib
import math
import struct
from enum import IntEnum

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# Another way to draw is another person: old seeds must not meet new meanings in silence.
_PERSON = b"genequeue-1"
_PLACE = struct.Struct("<Qqq")
_BELOW_ONE = 1 - 2**-24  # the largest float32 below 1: the normal quantile of 1 is infinite


class Purpose(IntEnum):
    """What the words of a stream are drawn for; each purpose is a stream of its own."""

    LATENT = 0  # one normal for each latent dimension
    NOISE = 1  # one normal for each gene: the noise of its rate
    COUNT = 2  # one uniform for each gene: its count given the rate
    FACTOR = 3  # one normal for each residual factor: what the genes of a sample share


def stream_keys(
    weights_digest: str,
    seed: NDArray[np.uint64],
    input_index: NDArray[np.int64],
    sample_index: NDArray[np.int64],
) -> NDArray[np.uint64]:
    """128-bit keys [N, 2] of N samples: a hash of the weights (SHA-256 in hex), seed, input and sample."""
    root = hashlib.blake2b(key=bytes.fromhex(weights_digest), person=_PERSON, digest_size=16)
    keys = bytearray()
    for place in zip(seed.tolist(), input_index.tolist(), sample_index.tolist(), strict=True):
        branch = root.copy()
        branch.update(_PLACE.pack(*place))
        keys += branch.digest()
    return np.frombuffer(bytes(keys), dtype=np.uint64).reshape(-1, 2)


class WordSource:
    """Reads the words of any stream. Holds a generator's state: one source for each thread."""

    def __init__(self) -> None:
        self._philox = np.random.Philox(0)
        self._empty = np.zeros(4, np.uint64)

    def fill(self, words: NDArray[np.int32], key: NDArray[np.uint64], purpose: Purpose) -> None:
        """Fill `words`, an even number of them, with the first words of a key's stream for one purpose.

        Word i depends on key, purpose and i alone, not on how many are asked for.
        """
        # The counter's top word is the purpose, so streams of one key never overlap.
        counter = np.array([0, 0, 0, purpose], np.uint64)
        self._philox.state = {
            "bit_generator": "Philox",
            "state": {"counter": counter, "key": key},
            "buffer": self._empty,
            "buffer_pos": 4,
            "has_uint32": 0,
            "uinteger": 0,
        }
        words.view(np.uint64)[:] = self._philox.random_raw(words.size // 2)


def signed_uniform(words: Tensor, out: Tensor) -> Tensor:
    """Uniform on (-1, 1) from int32 words, into float32 `out` of their shape.

    The magnitude is uniform on [0, 1), finest near 0, and independent of the sign.
    """
    return out.copy_(words).mul_(2.0**-31).clamp_(-_BELOW_ONE, _BELOW_ONE)


def normal(uniform: Tensor, out: Tensor) -> Tensor:
    """Standard normal from a signed uniform, by the quantile function, into `out`; at most 5.42 in size."""
    return torch.erfinv(uniform, out=out).mul_(math.sqrt(2))
