"""One readable sentence for each metadata value that a model does not place exactly where it was asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from shared.queries.spec import Coverage, Placement, QuerySpec
from shared.queries.vocabulary import Vocabulary

MOST_WARNINGS = 100

Labels = Callable[[str], str | None]


def placement_warnings(spec: QuerySpec, vocabulary: Vocabulary, label_of: Labels) -> list[str]:
    """The sentences in the order of the query, each said once, at its first place; at most 100."""
    said: dict[tuple[str, str], str] = {}
    for path, field, value, place in _inexact(spec):
        # What a field as a whole cannot do is said once, not for each of its values.
        key = (field, "" if place.coverage is Coverage.NOT_INFORMATIVE else value)
        if key not in said:
            said[key] = f"{path}: {_sentence(field, value, place, vocabulary, label_of)}"
    sentences = list(said.values())
    if len(sentences) <= MOST_WARNINGS:
        return sentences
    left_out = len(sentences) - MOST_WARNINGS + 1
    return [*sentences[: MOST_WARNINGS - 1], f"and {left_out} more values that are not placed exactly."]


def _inexact(spec: QuerySpec) -> Iterator[tuple[str, str, str, Placement]]:
    for index, item in enumerate(spec.inputs):
        for field, place in item.placements.items():
            if place.coverage is not Coverage.EXACT:
                yield f"inputs[{index}].metadata.{field}", field, item.metadata[field], place


def _sentence(field: str, value: str, place: Placement, vocabulary: Vocabulary, label_of: Labels) -> str:
    named = _named(value, label_of(value))
    if place.coverage is Coverage.NOT_INFORMATIVE:
        return f"the model learnt nothing from {field}; it is kept in the metadata and changes nothing else."
    if place.coverage is Coverage.UNKNOWN:
        return f"the model knows nothing near {named}; it is kept in the metadata and changes nothing else."
    terms = vocabulary.field(field).terms
    ancestors = [_named(term, terms[term].label if term in terms else None) for term in place.terms]
    noun = "ancestor" if len(ancestors) == 1 else "ancestors"
    steps = "1 step" if place.distance == 1 else f"{place.distance} steps"
    return f"{named} is placed at its nearest known {noun} {' and '.join(ancestors)}, {steps} up."


def _named(term: str, label: str | None) -> str:
    return f"{term} ({label})" if label and label != term else term
