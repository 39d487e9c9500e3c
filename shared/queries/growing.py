"""Grows a field's vocabulary from training rows: the values seen, their ancestors, who stands above whom."""

from __future__ import annotations

from collections.abc import Mapping

from shared.ontology.terms import Ontologies
from shared.queries.vocabulary import FieldVocabulary, Term


def build_field(name: str, rows: Mapping[str, int], ontologies: Ontologies) -> FieldVocabulary:
    """The vocabulary of a field from its values and how many training rows carry each.

    Ontology ids bring all their ancestors, with 0 rows; any other value stands alone, as its own label. Terms
    are in ascending order of their ids, so that the same rows give the same embedding rows.
    """
    counts: dict[str, int] = {}
    for value, count in rows.items():
        term = ontologies.get(value)
        known = term.id if term else value
        counts[known] = counts.get(known, 0) + count
        for ancestor in ontologies.ancestors(known):
            counts.setdefault(ancestor, 0)
    return FieldVocabulary(name, {term: _entry(term, counts, ontologies) for term in sorted(counts)})


def _entry(term: str, counts: Mapping[str, int], ontologies: Ontologies) -> Term:
    """An entry with its known parents. All ancestors are known, so the known parents are the direct ones."""
    found = ontologies.get(term)
    if found is None:
        return Term(term, (), counts[term])
    parents = tuple(sorted(parent for parent in found.parents if parent in counts))
    return Term(found.label or term, parents, counts[term])
