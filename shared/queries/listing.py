"""What may be written into each metadata field of one model: listed whole, or searched by name."""

from __future__ import annotations

from dataclasses import dataclass

from shared.ontology.terms import Ontologies
from shared.queries.fields import FIELD_BY_NAME, METADATA_FIELDS, Kind, MetadataField
from shared.queries.placement import place, place_term
from shared.queries.rules import ModelRules
from shared.queries.spec import Coverage


@dataclass(frozen=True, slots=True)
class FieldListing:
    """One field: how its values are written, their closed list if there is one, how many are trained."""

    name: str
    kind: str
    group: str
    informative: bool
    values: tuple[str, ...]
    ontologies: tuple[str, ...]
    known: int


@dataclass(frozen=True, slots=True)
class Hit:
    """One value of a field: how well the model knows it; `rows` counts training samples."""

    id: str
    label: str
    coverage: Coverage
    rows: int = 0


def list_fields(rules: ModelRules) -> tuple[FieldListing, ...]:
    """All fields, in the order of the documentation."""
    return tuple(_listing(field, rules) for field in METADATA_FIELDS)


def known_values(name: str, rules: ModelRules, ontologies: Ontologies) -> tuple[Hit, ...]:
    """The values that the model was trained on, most samples first; then the closed list's others."""
    field = FIELD_BY_NAME[name]
    known = rules.vocabulary.field(name)
    trained = [
        Hit(term, _name(term, entry.label, ontologies), Coverage.EXACT, entry.rows)
        for term, entry in known.terms.items()
        if entry.rows
    ]
    others = [value for value in field.values if value not in {hit.id for hit in trained}]
    hits = sorted(trained, key=lambda hit: (-hit.rows, hit.label))
    return tuple(hits) + tuple(Hit(value, value, place(value, known).coverage) for value in others)


def search_values(
    name: str, text: str, rules: ModelRules, ontologies: Ontologies, limit: int = 20
) -> tuple[Hit, ...]:
    """Values whose label, synonym or id fits the text: what the model knows comes first."""
    field = FIELD_BY_NAME[name]
    known = rules.vocabulary.field(name)
    if field.kind is not Kind.ONTOLOGY:
        wanted = text.casefold()
        return tuple(hit for hit in known_values(name, rules, ontologies) if wanted in hit.label.casefold())[
            :limit
        ]
    first = ontologies.search(text, field.ontologies, limit, among=known.terms)
    more = ontologies.search(text, field.ontologies, limit)
    found = {term.id: term for term in (*first, *more) if not term.obsolete}
    hits = (
        Hit(
            term.id,
            term.label,
            place_term(term.id, known, ontologies).coverage,
            known.terms[term.id].rows if term.id in known.terms else 0,
        )
        for term in found.values()
    )
    return tuple(hits)[:limit]


def _listing(field: MetadataField, rules: ModelRules) -> FieldListing:
    known = rules.vocabulary.field(field.name)
    trained = sum(1 for entry in known.terms.values() if entry.rows)
    return FieldListing(
        name=field.name,
        kind=str(field.kind),
        group=str(field.group),
        informative=known.informative,
        values=field.values,
        ontologies=field.ontologies,
        known=trained,
    )


def _name(term: str, label: str, ontologies: Ontologies) -> str:
    return label if label and label != term else ontologies.label(term) or term
