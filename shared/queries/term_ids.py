"""Reads the ontology id of a metadata field: does it exist, may it stand there, can the model place it.

Every refusal names the value and the nearest terms that would be accepted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from shared.errors import InvalidInput
from shared.ontology.cell_lines import CellLine, cell_lines
from shared.ontology.ids import FORMS
from shared.ontology.terms import Ontologies, OntologyTerm
from shared.queries import scalars
from shared.queries.faults import shown
from shared.queries.fields import METADATA_FIELDS, LatentGroup, MetadataField
from shared.queries.placement import UNKNOWN, most_trained, nearest_known, place, place_term
from shared.queries.rules import ModelRules
from shared.queries.spec import Coverage, Placement

TISSUE, DISEASE, SEX = "tissue_ontology_id", "disease_ontology_id", "sex"
CELL_LINE = "cell_line_ontology_id"
MOST_ADVICE = 50  # refused ids of one query that are looked into: a search takes some milliseconds
SUGGESTIONS = 3


class Reading(NamedTuple):
    """A value as it is kept, where it is placed, and where it places fields that the query leaves unset."""

    value: str
    placement: Placement
    implied: tuple[tuple[str, Placement], ...] = ()


class TermReader:
    """Reads the ids of one query for one model."""

    def __init__(self, rules: ModelRules, ontologies: Ontologies) -> None:
        self._rules, self._ontologies = rules, ontologies
        self._advised = 0

    def read(self, field: MetadataField, value: object) -> Reading:
        """The reading of an id. Raises InvalidInput, with the nearest terms that would do."""
        written = _written(field, value, self._rules.limits.text)
        known = self._rules.vocabulary.field(field.name)
        if written in known.terms:
            return Reading(written, Placement(Coverage.EXACT, (written,)))
        term = self._existing(field, written)
        placement = place_term(term.id, known, self._ontologies)
        if placement.coverage is not Coverage.UNKNOWN or field.group is LatentGroup.PERTURBATION:
            return Reading(term.id, placement)
        line = cell_lines().get(term.id) if field.name == CELL_LINE else None
        if line and (implied := tuple(self._origin(line))):
            return Reading(term.id, UNKNOWN, implied)
        raise InvalidInput(self._unplaceable(field, term))

    def _existing(self, field: MetadataField, written: str) -> OntologyTerm:
        term = self._ontologies.get(written)
        if term is None:
            said = f"{shown(written)} is not the id of a term of {_titles(field.ontologies)}."
        elif term.ontology not in field.ontologies:
            home = next(
                (each.name for each in METADATA_FIELDS if term.ontology in each.ontologies), "no field"
            )
            said = (
                f"{_named(term)} is an id of {FORMS[term.ontology].title}, which belongs in {home}; "
                f"{field.name} takes ids of {_titles(field.ontologies)}."
            )
        elif term.obsolete:
            said = f"{_named(term)} is obsolete."
        else:
            return term
        raise InvalidInput(said + self._advice(field, written))

    def _origin(self, line: CellLine) -> Iterator[tuple[str, Placement]]:
        """Where the tissue, disease and sex of a line are placed; nothing where the sex alone is known."""
        field = self._rules.vocabulary.field
        placed = {
            TISSUE: place_term(line.tissue, field(TISSUE), self._ontologies),
            DISEASE: place_term(line.disease, field(DISEASE), self._ontologies),
        }
        if any(each.terms for each in placed.values()):
            placed[SEX] = place(line.sex, field(SEX))
        for name, placement in placed.items():
            if placement.terms:
                yield name, Placement(Coverage.EXACT, placement.terms)

    def _advice(self, field: MetadataField, written: str) -> str:
        """The nearest valid terms, those that the model knows first; else some that it knows well."""
        known = self._rules.vocabulary.field(field.name)
        if self._may_advise():
            near = self._ontologies.suggest(written, field.ontologies, 2 * SUGGESTIONS)
            if near:
                near = tuple(sorted(near, key=lambda term: term.id not in known.terms))
                return f" Did you mean {' or '.join(map(_named, near[:SUGGESTIONS]))}?"
        examples = self._names(most_trained(known, SUGGESTIONS))
        return f" {self._rules.model_id} knows, for example, {', '.join(examples)}." if examples else ""

    def _unplaceable(self, field: MetadataField, term: OntologyTerm) -> str:
        known = self._rules.vocabulary.field(field.name)
        near = nearest_known(term.id, known, self._ontologies, SUGGESTIONS) if self._may_advise() else []
        near = near or most_trained(known, SUGGESTIONS)
        remedy = f"Use one that it knows, such as {', '.join(self._names(near))}"
        if field.name == CELL_LINE:
            remedy += ", or leave it out and set tissue_ontology_id, disease_ontology_id and sex"
        return (
            f"{self._rules.model_id} cannot place {_named(term)}: it knows neither this term nor a specific "
            f"term above it. {remedy}."
        )

    def _may_advise(self) -> bool:
        self._advised += 1
        return self._advised <= MOST_ADVICE

    def _names(self, term_ids: Iterable[str]) -> list[str]:
        terms = ((term_id, self._ontologies.get(term_id)) for term_id in term_ids)
        return [_named(term) if term else term_id for term_id, term in terms]


def _written(field: MetadataField, value: object, longest: int) -> str:
    """The id as it was written; a taxon may come as a number."""
    if "NCBITaxon" in field.ontologies and isinstance(value, int | float) and not isinstance(value, bool):
        return str(scalars.whole_number(value, 1, 10**9))
    return scalars.text(value, longest)


def _named(term: OntologyTerm) -> str:
    return f"{term.id} ({term.label})" if term.label else term.id


def _titles(ontologies: tuple[str, ...]) -> str:
    return " or ".join(FORMS[name].title for name in ontologies)
