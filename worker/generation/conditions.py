"""One condition of a claimed chunk: what was asked, and where the model's vocabulary places it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from sqlalchemy import Row

from shared.queries.fields import FIELD_NAMES
from shared.queries.spec import Coverage, Placement
from shared.sheets.sheet import SheetRow


@dataclass(frozen=True, slots=True)
class Condition:
    """One input of a job: its row, the vocabulary terms it stands on, and what was not answered as asked."""

    row: SheetRow
    terms: Mapping[str, tuple[str, ...]]
    coverage: str

    @classmethod
    def of(cls, row: SheetRow) -> Self:
        """As it was placed when the query was taken in."""
        terms = {field: place.terms for field, place in row.placements.items() if place.terms}
        return cls(row, terms, _coverage(row.placements))

    @property
    def input_index(self) -> int:
        """Its place among the inputs of the job."""
        return self.row.position


def row_of(saved: Row[Any]) -> SheetRow:
    """A condition that is kept in the database, as one that is kept in a sheet."""
    placements = {name: Placement.from_json(entry) for name, entry in saved.placements.items()}
    return SheetRow(
        saved.position,
        saved.first_sample,
        saved.num_samples,
        saved.conditions,
        placements,
        saved.custom_id or "",
    )


def columns_of(row: SheetRow) -> dict[str, Any]:
    """A condition that is kept in a sheet, as columns of `job_inputs`."""
    return {
        "position": row.position,
        "first_sample": row.first_sample,
        "num_samples": row.num_samples,
        "conditions": dict(row.metadata),
        "placements": {name: asdict(place) for name, place in row.placements.items()},
        "custom_id": row.custom_id or None,
    }


def _coverage(placements: Mapping[str, Placement]) -> str:
    """What a reader of the result must know: fields that were not answered as asked; "" when all were."""
    notes = []
    for field in FIELD_NAMES:  # the order in which placements are kept differs
        place = placements.get(field)
        if place is None or place.coverage is Coverage.EXACT:
            continue
        if place.coverage is Coverage.ANCESTOR:
            notes.append(f"{field}: {' and '.join(place.terms)} in its place, {place.distance} up")
        else:
            notes.append(f"{field}: {place.coverage}")
    return "; ".join(notes)
