"""Reads one input's metadata: each value checked by the kind of its field, normalised, and placed."""

from __future__ import annotations

from collections.abc import Mapping

from shared.errors import InvalidInput
from shared.ontology.cell_lines import cell_lines
from shared.ontology.terms import Ontologies
from shared.queries import scalars
from shared.queries.faults import Faults, key_path, listed, meant, shown
from shared.queries.fields import FIELD_BY_NAME, FIELD_NAMES, Kind, MetadataField
from shared.queries.placement import NOT_INFORMATIVE, UNKNOWN, most_trained, nearest_known, place, place_term
from shared.queries.rules import ModelRules
from shared.queries.spec import Coverage, Placement

CELL_LINE, PERTURBATION = "cell_line_ontology_id", "perturbation_ontology_id"
_EXAMPLES = {"perturbation_dose": "10 um", "perturbation_time": "24 hours"}
Placed = tuple[str, Placement]


class MetadataReader:
    """Reads metadata for one model. A value that was placed once is not placed again."""

    def __init__(self, rules: ModelRules, ontologies: Ontologies) -> None:
        self._rules, self._ontologies = rules, ontologies
        self._placed: dict[tuple[str, object], Placed] = {}

    def read(
        self, metadata: Mapping[object, object], path: str, faults: Faults
    ) -> tuple[dict[str, str], dict[str, Placement]]:
        """The values that were set, as strings, and where each is placed; notes every fault."""
        values: dict[str, str] = {}
        placements: dict[str, Placement] = {}
        for key, value in metadata.items():
            where = key_path(path, key)
            field = FIELD_BY_NAME.get(key) if isinstance(key, str) else None
            if field is None:
                faults.add(where, _unknown_key(key))
            elif value is not None and value != "":
                try:
                    values[field.name], placements[field.name] = self._one(field, value)
                except InvalidInput as fault:
                    faults.add(where, str(fault))
        self._spread_cell_line(values, placements)
        return values, placements

    def _one(self, field: MetadataField, value: object) -> Placed:
        key = (field.name, value)
        try:
            if key in self._placed:
                return self._placed[key]
        except TypeError:  # A list or an object: no field takes one, and the reading below says so.
            return self._read(field, value)
        self._placed[key] = self._read(field, value)
        return self._placed[key]

    def _read(self, field: MetadataField, value: object) -> Placed:
        known = self._rules.vocabulary.field(field.name)
        match field.kind:
            case Kind.ONTOLOGY:
                return self._term(field, value)
            case Kind.CATEGORY:
                written = scalars.choice(value, field.values, any_case=True)
            case Kind.QUANTITY:
                written = scalars.quantity(value, _EXAMPLES[field.name])
            case Kind.NUMBER:
                written = scalars.age(value)
            case Kind.STUDY:
                written = scalars.study(value)
            case Kind.TEXT:
                written = scalars.text(value, self._rules.limits.text)
        return written, place(written, known)

    def _term(self, field: MetadataField, value: object) -> Placed:
        written = scalars.text(str(value) if isinstance(value, int) else value, self._rules.limits.text)
        term = self._ontologies.get(written)
        if term is None or term.ontology not in field.ontologies or term.obsolete:
            raise InvalidInput(self._no_such_term(field, written))
        known = self._rules.vocabulary.field(field.name)
        placement = place_term(term.id, known, self._ontologies)
        if placement is UNKNOWN and field.name == CELL_LINE and term.id in cell_lines():
            return term.id, placement
        if placement is UNKNOWN and field.name != PERTURBATION:
            near = nearest_known(term.id, known, self._ontologies) or most_trained(known)
            raise InvalidInput(
                f"{self._rules.model_id} cannot place {self._named(term.id)}: it knows neither the term nor an "
                f"ancestor of it that says enough. It knows {', '.join(map(self._named, near))}."
            )
        return term.id, placement

    def _no_such_term(self, field: MetadataField, written: str) -> str:
        near = self._ontologies.suggest(written, field.ontologies)
        hint = f" Did you mean {' or '.join(self._named(term.id) for term in near)}?" if near else ""
        return f"{shown(written)} is not the id of a term of {listed(field.ontologies)}.{hint}"

    def _named(self, term_id: str) -> str:
        label = self._ontologies.label(term_id)
        return f"{term_id} ({label})" if label else term_id

    def _spread_cell_line(self, values: Mapping[str, str], placements: dict[str, Placement]) -> None:
        """A line that the model never saw stands on its tissue, disease and sex, where those were left open."""
        line = cell_lines().get(values.get(CELL_LINE, ""))
        if line is None or placements[CELL_LINE].coverage is not Coverage.UNKNOWN:
            return
        stands_on = {"tissue_ontology_id": line.tissue, "disease_ontology_id": line.disease, "sex": line.sex}
        found: list[str] = []
        for name, value in stands_on.items():
            if value and name not in values:
                known = self._rules.vocabulary.field(name)
                stand_in = (
                    place(value, known) if name == "sex" else place_term(value, known, self._ontologies)
                )
                if stand_in not in (UNKNOWN, NOT_INFORMATIVE):
                    placements[name] = Placement(Coverage.ANCESTOR, stand_in.terms, stand_in.distance + 1)
                    found += stand_in.terms


def _unknown_key(key: object) -> str:
    if key == "num_samples":
        return "num_samples stands beside metadata, not in it: move it one level up, into the input itself."
    return f"There is no metadata field {shown(key)}.{meant(key, FIELD_NAMES) or f' The fields are {listed(FIELD_NAMES)}.'}"
