"""A block of real samples, recognised: what they are, their latents, and what the latents make of them.

Computed in one padded shape, so that a specimen's bits do not depend on its neighbours. Knows no query.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from worker.inference.batch import Indices, Recognised, Specimens
from worker.inference.conditioning import whole_block
from worker.inference.network import ExpressionNetwork
from worker.inference.normals import Normals
from worker.inference.sampling import rounded
from worker.inference.streams import Purpose
from worker.inference.validate import check_finite


class Recogniser:
    """Recognises blocks of up to `rows` specimens, one at a time; each thread has its own, for its buffer."""

    def __init__(self, network: ExpressionNetwork, rows: int, device: torch.device) -> None:
        self._network, self._rows, self._device = network, rows, device
        self._normals = Normals(rows, sum(network.architecture.latent_sizes.values()), Purpose.LATENT, device)

    @torch.inference_mode()
    def run(self, specimens: Specimens, keys: NDArray[np.uint64], to: Indices, result: Recognised) -> None:
        """Recognise the specimens at `to` [n], of streams `keys` [n, 2], into the same rows of `result`.

        Raises GenerationError on latents or rates that are not finite.
        """
        number = len(to)
        posterior = self._network.encode(whole_block(specimens.counts[to], self._rows, self._device))
        drawn = torch.from_numpy(np.pad(~specimens.deterministic[to], (0, self._rows - number)))
        deviate = self._normals.draw(keys) * drawn.to(self._device).unsqueeze(1)
        latent = deviate.mul_(posterior.sd).add_(posterior.mean)
        check_finite(latent, "latents of a specimen")
        for field, log_probability in self._network.classify(posterior.mean).items():
            result.probabilities[field][to] = log_probability[:number].exp().cpu().numpy()
        for group, place in self._network.latent_slices.items():
            result.latents[group][to] = latent[:number, place].cpu().numpy()
        log_rate = self._network.decode(latent)
        check_finite(log_rate, "expression rates")
        total = torch.from_numpy(specimens.total_count[to]).to(self._device).unsqueeze(1)
        result.counts[to] = rounded(torch.softmax(log_rate, 1)[:number] * total).cpu().numpy()
