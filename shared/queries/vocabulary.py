"""What one model can place: the terms of each field that it has an embedding for, and their known parents.

A field is a directed acyclic graph of terms; what a term means to the network is the term and its closure
upwards. Knows nothing of the ontologies' other terms.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any


@dataclass(frozen=True, slots=True)
class Term:
    """One entry of a field: its label, its nearest known ancestors, and how many training rows carry it.

    `rows` counts rows annotated with the term itself, not with its descendants; 0 for a pure ancestor.
    """

    label: str
    parents: tuple[str, ...] = ()
    rows: int = 0


@dataclass(frozen=True)
class FieldVocabulary:
    """The terms of one field, in the order of their embeddings."""

    name: str
    terms: Mapping[str, Term] = field(default_factory=dict)

    @property
    def informative(self) -> bool:
        """Whether the model learnt anything from this field."""
        return bool(self.terms)

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Position of each term, in the order of the embedding rows."""
        return {term: position for position, term in enumerate(self.terms)}

    def closure(self, terms: Iterable[str]) -> tuple[str, ...]:
        """The terms and all their known ancestors, each once, in the order of the embedding rows."""
        seen: set[str] = set()
        waiting = [term for term in terms if term in self.terms]
        while waiting:
            term = waiting.pop()
            if term not in seen:
                seen.add(term)
                waiting.extend(self.terms[term].parents)
        return tuple(sorted(seen, key=self.index.__getitem__))


@dataclass(frozen=True)
class Vocabulary:
    """The fields of one model, by name; a field that is absent is not informative."""

    fields: Mapping[str, FieldVocabulary]

    def field(self, name: str) -> FieldVocabulary:
        """The vocabulary of a field; an empty one where the model learnt nothing from it."""
        return self.fields.get(name) or FieldVocabulary(name)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Vocabulary:
        """Read what `to_json` wrote."""
        return cls(
            {
                name: FieldVocabulary(
                    name,
                    {
                        term: Term(entry["label"], tuple(entry.get("parents", ())), entry.get("rows", 0))
                        for term, entry in terms.items()
                    },
                )
                for name, terms in raw["fields"].items()
            }
        )

    def to_json(self) -> dict[str, Any]:
        """A JSON object of the whole vocabulary, the order of terms kept."""
        return {
            "fields": {
                name: {
                    term: {"label": entry.label, "parents": list(entry.parents), "rows": entry.rows}
                    for term, entry in known.terms.items()
                }
                for name, known in self.fields.items()
            }
        }
