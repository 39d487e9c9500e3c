"""Where a model's vocabulary places a value: at itself, at its nearest known ancestors, or nowhere."""

from __future__ import annotations

from collections.abc import Iterable

from shared.ontology.terms import Ontologies
from shared.queries.spec import Coverage, Placement
from shared.queries.specificity import MERE_KINDS, is_specific
from shared.queries.vocabulary import FieldVocabulary

NOT_INFORMATIVE = Placement(Coverage.NOT_INFORMATIVE)
UNKNOWN = Placement(Coverage.UNKNOWN)


def place(value: str, known: FieldVocabulary) -> Placement:
    """The placement of a value that no ontology orders.

    A value may have an entry without a training row, so that the network tells it from an unset one; it is
    unknown all the same.
    """
    if not known.informative:
        return NOT_INFORMATIVE
    entry = known.terms.get(value)
    if entry is None:
        return UNKNOWN
    return Placement(Coverage.EXACT if entry.rows else Coverage.UNKNOWN, (value,))


def place_term(term_id: str, known: FieldVocabulary, ontologies: Ontologies) -> Placement:
    """The placement of an ontology term; ancestors that are too broad to say anything do not count."""
    if not known.informative:
        return NOT_INFORMATIVE
    if term_id in known.terms:
        return Placement(Coverage.EXACT, (term_id,))
    steps = ontologies.ancestors(term_id)
    specific = [term for term in _frontier(steps, known) if is_specific(term, known, ontologies)]
    if not specific:
        return UNKNOWN
    distance = min(steps[term] for term in specific)
    return Placement(
        Coverage.ANCESTOR, tuple(sorted(term for term in specific if steps[term] == distance)), distance
    )


def nearest_known(term_id: str, known: FieldVocabulary, ontologies: Ontologies, limit: int = 3) -> list[str]:
    """The trained terms that share the narrowest ancestor with a term, nearest first."""
    above = ontologies.ancestors(term_id)
    width: dict[str, int] = {}
    for ancestor in above:
        if ancestor not in MERE_KINDS and (found := ontologies.get(ancestor)):
            width[ancestor] = found.descendants
    scored = []
    for trained in (term for term, entry in known.terms.items() if entry.rows):
        shared = [width[term] for term in ontologies.ancestors(trained) if term in width]
        if shared:
            scored.append((min(shared), trained))
    return [trained for _, trained in sorted(scored)[:limit]]


def most_trained(known: FieldVocabulary, limit: int = 3) -> list[str]:
    """The terms with the most training rows."""
    trained = sorted((-entry.rows, term) for term, entry in known.terms.items() if entry.rows)
    return [term for _, term in trained[:limit]]


def _frontier(ancestors: Iterable[str], known: FieldVocabulary) -> list[str]:
    """The known ancestors that stand above no other known ancestor."""
    candidates = [term for term in ancestors if term in known.terms]
    higher = {up for term in candidates for up in known.closure([term]) if up != term}
    return [term for term in candidates if term not in higher]
