"""What a term that nobody sampled owes to its relatives: a linear prediction from its ancestors.

Coordinates in a network's output layer, summed over terms. What the network itself says comes from next door.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from shared.queries.vocabulary import FieldVocabulary, Vocabulary

# The first of these that is set decides what a sample is; cell lines have no relatives.
DECIDING_FIELDS = (
    "cell_line_ontology_id",
    "cell_type_ontology_id",
    "disease_ontology_id",
    "tissue_ontology_id",
)
RELATED_FIELDS = DECIDING_FIELDS[1:]


class Relatives(nn.Module):
    """Effects of terms [terms, rank] and an origin [rank] by field; `share` of the answer is theirs.

    They are asked only where the deciding field names nothing that was sampled: `sampled` [terms] is 1 for a
    term of samples that its own field decides (a cancer's tissue is not). A broader term with a single such
    descendant is another name of it.
    """

    def __init__(self, vocabulary: Vocabulary, rank: int) -> None:
        super().__init__()
        self.share = nn.Parameter(torch.zeros(()), requires_grad=False)
        self.origin, self.effects, self.sampled = nn.ParameterDict(), nn.ParameterDict(), nn.ParameterDict()
        for name in RELATED_FIELDS:
            field = vocabulary.field(name)
            if field.informative:
                self.origin[name] = nn.Parameter(torch.zeros(rank), requires_grad=False)
                self.effects[name] = nn.Parameter(torch.zeros(len(field.terms), rank), requires_grad=False)
                self.sampled[name] = nn.Parameter(torch.zeros(len(field.terms)), requires_grad=False)
                self.register_buffer(f"above_{name}", strict_ancestors(field), persistent=False)

    def forward(self, member: Mapping[str, Tensor], coordinates: Tensor) -> Tensor:
        """[C, rank]: what to add to the network's own coordinates [C, rank]; zero where it knows better."""
        total = torch.zeros_like(coordinates)
        for name, asked in self._unsampled(member, coordinates).items():
            total = total + asked * (self.predict(member, name) - coordinates)
        return self.share * total

    def predict(self, member: Mapping[str, Tensor], deciding: str) -> Tensor:
        """[C, rank] coordinates of conditions that one field decides, from their terms [C, terms + 1]."""
        total: Tensor = self.origin[deciding]
        for name, effects in self.effects.items():
            total = total + member[name][:, :-1] @ effects
        return total

    def _unsampled(self, member: Mapping[str, Tensor], like: Tensor) -> dict[str, Tensor]:
        """By field [C, 1]: 1 where it is the first deciding one that is set, and names nothing sampled."""
        undecided, found = like.new_ones(len(like), 1), {}
        for name in DECIDING_FIELDS:
            if name not in member:
                continue
            terms = member[name][:, :-1]
            given = (terms.sum(1, keepdim=True) > 0).to(like.dtype)
            if name in self.effects:
                above, sampled = self.get_buffer(f"above_{name}"), self.sampled[name]
                asked = terms * (terms @ above.T == 0)
                alone = asked.sum(1) == 1
                known = asked @ sampled + alone * (asked @ (above @ sampled == 1).to(like.dtype))
                found[name] = undecided * given * (known.unsqueeze(1) == 0)
            undecided = undecided * (1 - given)
        return found


def strict_ancestors(field: FieldVocabulary) -> Tensor:
    """[terms, terms]: 1 where the row's term is a strict ancestor of the column's."""
    above = torch.zeros(len(field.terms), len(field.terms))
    for term, column in field.index.items():
        above[[field.index[known] for known in field.closure([term]) if known != term], column] = 1.0
    return above
