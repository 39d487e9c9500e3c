"""Reads the metadata of inputs: each value by the kind of its field, normalised to a string, and placed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeVar

from shared.errors import InvalidInput
from shared.ontology.terms import Ontologies
from shared.queries import scalars
from shared.queries.faults import Faults, key_path, listed, meant, shown
from shared.queries.fields import FIELD_BY_NAME, FIELD_NAMES, Kind, MetadataField
from shared.queries.placement import UNKNOWN, place
from shared.queries.requests import RequestType
from shared.queries.rules import ModelRules
from shared.queries.spec import Coverage, Placement
from shared.queries.term_ids import CELL_LINE, SEX, Reading, TermReader

V = TypeVar("V")

EXAMPLES = {"perturbation_dose": "10 um", "perturbation_time": "24 hours"}
ANY_CASE = ("library_selection",)
MOST_KEPT = 20_000  # readings of values at hand: free texts may all differ
MISPLACED = {
    "custom_id": "custom_id stands beside metadata, not in it: move it one level up.",
    "num_samples": "num_samples stands beside metadata, not in it: move it one level up.",
    "counts": "counts stand beside metadata, and only in queries to other models than this one: remove them.",
    "modality": "The modality is the model's own: choose it by the model id, and remove it here.",
}


class MetadataReader:
    """Reads the metadata of one query. A text that occurs again is not looked up again."""

    def __init__(self, rules: ModelRules, ontologies: Ontologies, faults: Faults) -> None:
        self._rules, self._faults = rules, faults
        self._terms = TermReader(rules, ontologies)
        self._readings: dict[tuple[object, str], Reading] = {}
        self._refusals: dict[tuple[object, str], str] = {}

    def read(
        self, raw: Mapping[object, object], path: str, fields: Collection[str] = FIELD_NAMES
    ) -> tuple[dict[str, str], dict[str, Placement]]:
        """What was set of `fields`, and where it is placed. null and blank texts count as unset."""
        values: dict[str, str] = {}
        placements: dict[str, Placement] = {}
        implied: tuple[tuple[str, Placement], ...] = ()
        for key, value in raw.items():
            if key in FIELD_BY_NAME and key not in fields:
                self._faults.add(key_path(path, key), self._not_here(key, fields))
                continue
            reading = self._reading(key, value, path)
            if reading is not None:
                values[str(key)], placements[str(key)] = reading.value, reading.placement
                implied += reading.implied
        if implied:
            self._place_line(values, placements, implied)
        return values, placements

    @staticmethod
    def _place_line(
        values: Mapping[str, str],
        placements: dict[str, Placement],
        implied: tuple[tuple[str, Placement], ...],
    ) -> None:
        """A line stands on its tissue, disease and sex, where the query itself says nothing of them."""
        left_open = {name: placement for name, placement in implied if name not in values}
        placements.update(left_open)
        origin = tuple(term for name, each in left_open.items() if name != SEX for term in each.terms)
        placements[CELL_LINE] = Placement(Coverage.ANCESTOR, origin, 1) if origin else UNKNOWN

    def _reading(self, key: object, value: object, path: str) -> Reading | None:
        """The reading of one entry; None where it is unset or refused."""
        repeatable = (key, value) if isinstance(value, str) else None
        if repeatable in self._readings:
            return self._readings[repeatable]
        field = FIELD_BY_NAME.get(key) if isinstance(key, str) else None
        if field is None:
            self._faults.add(key_path(path, key), self._unknown(key))
            return None
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        if repeatable in self._refusals:
            self._faults.add(key_path(path, key), self._refusals[repeatable])
            return None
        return self._fresh(field, value, path)

    def _fresh(self, field: MetadataField, value: object, path: str) -> Reading | None:
        try:
            reading = (
                self._terms.read(field, value) if field.kind is Kind.ONTOLOGY else self._plain(field, value)
            )
        except InvalidInput as refused:
            self._faults.add(key_path(path, field.name), str(refused))
            if isinstance(value, str):
                _keep(self._refusals, (field.name, value), str(refused))
            return None
        if isinstance(value, str):
            _keep(self._readings, (field.name, value), reading)
        return reading

    def _plain(self, field: MetadataField, value: object) -> Reading:
        if isinstance(value, list | Mapping):
            raise InvalidInput(f"{shown(value)} stands where one value must; make an input of each value.")
        match field.kind:
            case Kind.CATEGORY:
                written = scalars.choice(value, field.values, any_case=field.name in ANY_CASE)
            case Kind.QUANTITY:
                written = scalars.quantity(value, EXAMPLES[field.name])
            case Kind.NUMBER:
                written = scalars.age(value)
            case Kind.STUDY:
                written = scalars.study(value)
            case _:
                written = scalars.text(value, self._rules.limits.text)
        return Reading(written, place(written, self._rules.vocabulary.field(field.name)))

    def _not_here(self, key: object, fields: Collection[str]) -> str:
        return (
            f"{key} is taken from the counts; only {listed(fields)} can be set. Remove it, or query "
            f"{self._rules.model_id} for samples that metadata alone describe."
        )

    def _unknown(self, key: object) -> str:
        if key == "counts" and self._rules.request_type is not RequestType.BASELINE:
            return "counts stand beside metadata, not in it: move them one level up."
        if isinstance(key, str) and key in MISPLACED:
            return MISPLACED[key]
        hint = meant(key, FIELD_NAMES) or f" The fields are {listed(FIELD_NAMES)}."
        return f"There is no metadata field {shown(key)}.{hint}"


def _keep(kept: dict[tuple[object, str], V], key: tuple[object, str], value: V) -> None:
    """Have it at hand; everything else is let go where that is too much."""
    if len(kept) >= MOST_KEPT:
        kept.clear()
    kept[key] = value
