"""What metadata say of latents: a diagonal Gaussian for each group, of embedded terms or of perturbations."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from shared.queries.vocabulary import FieldVocabulary
from worker.inference.encoder import LOG_VARIANCE_RANGE
from worker.inference.relatives import strict_ancestors

# Perturbations that are given together share targets, and act by less than the sum of their effects. A choice
# and not fitted: two act with nine tenths of their sum.
SATURATION = 0.15


class GroupPrior(nn.Module):
    """A diagonal Gaussian given an embedding [C, E]: a linear map plus a small network for the mean."""

    def __init__(self, embedding: int, hidden: int, latent: int) -> None:
        super().__init__()
        self.origin = nn.Parameter(torch.zeros(embedding))  # what fields left out of a checkpoint amount to
        self.body = nn.Sequential(nn.Linear(embedding, hidden), nn.GELU(), nn.Linear(hidden, 2 * latent))
        self.skip = nn.Linear(embedding, latent, bias=False)

    def forward(self, embedded: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation, [C, latent] each."""
        shifted = embedded + self.origin
        mean, log_variance = self.body(shifted).chunk(2, dim=1)
        sd = (0.5 * log_variance.clamp(*LOG_VARIANCE_RANGE)).exp()
        return mean + self.skip(shifted), sd


class PerturbationPrior(nn.Module):
    """A diagonal Gaussian whose mean is the sum of the effects of all perturbation terms that hold.

    No known term means a mean of zero; n perturbations at once act with n**-SATURATION of their sum.
    `compatible` [terms, types] is 1 where a term was seen with a type of perturbation: a knock-down of a
    cytokine's gene must not act like the cytokine.
    """

    compatible: Tensor
    above: Tensor

    def __init__(self, ids: FieldVocabulary, types: FieldVocabulary, latent: int) -> None:
        super().__init__()
        self.effects = nn.Parameter(torch.zeros(len(ids.terms), latent))
        self.log_sd = nn.Parameter(torch.full((latent,), -2.0))
        self.register_buffer("compatible", torch.ones(len(ids.terms), len(types.terms)))
        self.register_buffer("above", strict_ancestors(ids), persistent=False)

    def forward(self, ids: Tensor | None, types: Tensor | None, rows: int) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation, [C, latent] each, given which ids and types [C, terms + 1] hold.

        The last column of each stands for "missing"; None where the vocabulary has no such field.
        """
        sd = self.log_sd.exp().expand(rows, -1)
        if ids is None:
            return torch.zeros_like(sd), sd
        terms = ids[:, :-1]
        if types is not None:
            terms = terms * (types[:, :-1] @ self.compatible.T + types[:, -1:]).clamp(max=1.0)
        # What was asked for, without the ancestors that it brings along.
        asked = (terms * (terms @ self.above.T == 0)).sum(1, keepdim=True).clamp(min=1.0)
        return (terms @ self.effects) * asked**-SATURATION, sd
