"""Some well-known cell lines, their tissue, disease and sex; Cellosaurus itself has no hierarchy."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

CELL_LINES = Path(__file__).parent / "cell_lines.csv"


@dataclass(frozen=True, slots=True)
class CellLine:
    """One line; a field is empty where it does not apply (a line of healthy tissue has no disease)."""

    id: str
    label: str
    tissue: str
    disease: str
    sex: str


@cache
def cell_lines(path: Path = CELL_LINES) -> Mapping[str, CellLine]:
    """The lines of the table by their Cellosaurus id."""
    with path.open(newline="") as rows:
        return MappingProxyType({row["id"]: CellLine(**row) for row in csv.DictReader(rows)})
