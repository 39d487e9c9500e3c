"""One readable sentence for each metadata value that a model does not place exactly where it was asked."""

from __future__ import annotations

from shared.queries.coverage import CoverageSummary, CoveredValue
from shared.queries.spec import Coverage

MOST_WARNINGS = 100
PERTURBATION = "perturbation_ontology_id"


def placement_warnings(summary: CoverageSummary) -> list[str]:
    """The sentences, the gravest first, each with the first place of its value; at most 100."""
    said: dict[tuple[str, str], str] = {}
    for value in summary.values:
        if value.coverage is not Coverage.EXACT:
            # What a field as a whole cannot do is said once, not for each of its values.
            as_a_whole = value.coverage is Coverage.NOT_INFORMATIVE
            said.setdefault(
                (value.field, "" if as_a_whole else value.value), f"{value.path}: {_sentence(value)}"
            )
    sentences = list(said.values())
    left_out = len(sentences) + summary.left_out - MOST_WARNINGS
    if left_out <= 0:
        return sentences
    return [*sentences[: MOST_WARNINGS - 1], f"and {left_out + 1} more values."]


def _sentence(value: CoveredValue) -> str:
    named = _named(value.value, value.label)
    if value.coverage is Coverage.NOT_INFORMATIVE:
        return f"the model learnt nothing from {value.field}; it is kept in the metadata and changes nothing."
    if value.coverage is Coverage.UNKNOWN and value.field == PERTURBATION:
        return (
            f"the model was trained on nothing that acts like {named}, so this perturbation has no effect: "
            "the samples are as without it."
        )
    if value.coverage is Coverage.UNKNOWN:
        return f"the model knows nothing near {named}; it is kept in the metadata and changes nothing."
    noun = "ancestor" if len(value.terms) == 1 else "ancestors"
    ancestors = " and ".join(_named(term.id, term.label) for term in value.terms)
    steps = "1 step" if value.distance == 1 else f"{value.distance} steps"
    return f"{named} is placed at its nearest known {noun} {ancestors}, {steps} up."


def _named(term: str, label: str) -> str:
    return f"{term} ({label})" if label != term else term
