"""q(z | counts): from a sample to a posterior over latents, and from latents to what the sample may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from shared.queries.fields import FIELD_BY_NAME
from shared.queries.vocabulary import FieldVocabulary, Vocabulary

LOG_VARIANCE_RANGE = (-8.0, 2.0)  # of a latent; keeps a Gaussian from collapsing or exploding
# Fields that a sample may simply not have: for them "" is a class too. Elsewhere an unset label is unknown.
ABSENT = ""
MAY_BE_ABSENT = (
    "cell_line_ontology_id",
    "disease_ontology_id",
    "perturbation_ontology_id",
    "perturbation_type",
)


@dataclass(frozen=True, slots=True)
class Posterior:
    """A diagonal Gaussian over all latents for each of B samples: mean and sd, [B, D] each."""

    mean: Tensor
    sd: Tensor


class Encoder(nn.Module):
    """A diagonal Gaussian over all latents, given log1p CPM [B, G] and which genes were measured [B, G]."""

    def __init__(self, num_genes: int, projection: int, hidden: int, latent: int) -> None:
        super().__init__()
        self.projection = nn.Linear(num_genes, projection, bias=False)
        self.centre = nn.Parameter(torch.zeros(num_genes), requires_grad=False)
        self.body = nn.Sequential(
            nn.LayerNorm(projection),
            nn.Linear(projection, hidden),
            nn.GELU(),
            nn.Linear(hidden, 2 * latent),
        )

    def forward(self, log1p_cpm: Tensor, measured: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance, [B, D] each."""
        projected = self.projection((log1p_cpm - self.centre) * measured)
        mean, log_variance = self.body(projected).chunk(2, dim=1)
        return mean, log_variance.clamp(*LOG_VARIANCE_RANGE)


class Heads(nn.Module):
    """One classifier for each informative field, on the latents of the field's group."""

    def __init__(self, vocabulary: Vocabulary, latent_slices: Mapping[str, slice]) -> None:
        super().__init__()
        self.classes = {name: classes_of(vocabulary.field(name)) for name in FIELD_BY_NAME}
        self.classes = {name: values for name, values in self.classes.items() if len(values) > 1}
        self._slices = {name: latent_slices[FIELD_BY_NAME[name].group] for name in self.classes}
        self.linear = nn.ModuleDict(
            {
                name: nn.Linear(self._slices[name].stop - self._slices[name].start, len(values))
                for name, values in self.classes.items()
            }
        )

    def forward(self, latent: Tensor) -> dict[str, Tensor]:
        """Log probabilities of each field's classes, [B, classes], for latents [B, D]."""
        return {
            name: torch.log_softmax(head(latent[:, self._slices[name]]), 1)
            for name, head in self.linear.items()
        }


def classes_of(field: FieldVocabulary) -> tuple[str, ...]:
    """The values that a field's head tells apart: the trained terms, in the order of the vocabulary."""
    trained = tuple(term for term, entry in field.terms.items() if entry.rows)
    return (ABSENT, *trained) if field.name in MAY_BE_ABSENT and trained else trained
