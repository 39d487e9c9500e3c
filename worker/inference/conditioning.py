"""What the conditions of a batch take from their references, encoded once for all their samples.

How far a reference departs from the decoder is the room next door's; which samples follow is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shared.queries.fields import LatentGroup
from worker.inference.batch import Indices, References
from worker.inference.network import Condition, ExpressionNetwork
from worker.inference.reference import carry_over
from worker.inference.validate import check_finite

_GROUPS = tuple(LatentGroup)
_BIOLOGICAL, _PERTURBATION = _GROUPS.index(LatentGroup.BIOLOGICAL), _GROUPS.index(LatentGroup.PERTURBATION)


@dataclass(frozen=True, slots=True)
class Conditioning:
    """What each of C conditions takes from its reference.

    Latents with mean and sd [C, D], where `taken` [C, D], and a `departure` [C, G] on the log rate.
    """

    mean: Tensor
    sd: Tensor
    taken: Tensor
    departure: Tensor

    def at(self, places: Tensor) -> Conditioning:
        """What the conditions at these places take."""
        return Conditioning(*(getattr(self, name)[places] for name in self.__slots__))

    def of(self, condition: Condition) -> Condition:
        """The conditions as their references make them."""
        return replace(
            condition,
            latent_mean=torch.where(self.taken, self.mean, condition.latent_mean),
            latent_sd=torch.where(self.taken, self.sd, condition.latent_sd),
            gene_effect=condition.gene_effect + self.departure,
        )


class Conditioner:
    """Encodes references in blocks of `rows`, which different threads may compute."""

    def __init__(self, network: ExpressionNetwork, rows: int, device: torch.device) -> None:
        self._network, self._rows, self._device = network, rows, device

    def start(self, references: References) -> Conditioning:
        """Room for what the references give, and which of it is taken."""
        conditions, sizes = len(references.counts), self._network.architecture.latent_sizes
        taken = np.repeat(references.conditioned, list(sizes.values()), axis=1)
        return Conditioning(
            mean=torch.zeros(taken.shape, device=self._device),
            sd=torch.zeros(taken.shape, device=self._device),
            taken=torch.from_numpy(taken).to(self._device),
            departure=torch.zeros(conditions, self._network.num_genes, device=self._device),
        )

    def cut(self, references: References) -> list[Indices]:
        """Blocks of conditions that take the same groups, of those that take any."""
        wanted = references.conditioned @ (1 << np.arange(len(_GROUPS)))
        alike = [np.flatnonzero(wanted == kind) for kind in np.unique(wanted[wanted > 0])]
        return [
            places[start : start + self._rows]
            for places in alike
            for start in range(0, len(places), self._rows)
        ]

    @torch.inference_mode()
    def fill(self, conditioning: Conditioning, references: References, places: Indices) -> None:
        """Compute what the conditions of one block take. Raises GenerationError on what is not finite."""
        number, groups = len(places), references.conditioned[places[0]]
        counts = whole_block(references.counts[places], self._rows, self._device)
        posterior = self._network.encode(counts)
        check_finite(posterior.mean, "latents of a reference")
        to = torch.from_numpy(places).to(self._device)
        conditioning.mean[to], conditioning.sd[to] = posterior.mean[:number], posterior.sd[:number]
        if groups[_BIOLOGICAL]:
            departure = carry_over(
                self._network, counts, posterior, with_perturbation=bool(groups[_PERTURBATION])
            )
            check_finite(departure, "departures of a reference")
            conditioning.departure[to] = departure[:number]


def whole_block(counts: NDArray[np.int32], rows: int, device: torch.device) -> Tensor:
    """Counts [n, G] as floats [rows, G] on a device: the last row stands in for those that are missing."""
    filled = np.pad(counts, ((0, rows - len(counts)), (0, 0)), "edge")
    return torch.from_numpy(filled).to(device).float()
