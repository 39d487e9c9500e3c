"""Checks rows one by one, by the very rules that a query in JSON is checked by. Knows no storage."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from shared.errors import Fault
from shared.ontology.terms import Ontologies
from shared.queries.faults import Faults
from shared.queries.input_values import METADATA
from shared.queries.inputs import INPUTS, InputReader
from shared.queries.metadata import MetadataReader
from shared.queries.rules import ModelRules
from shared.queries.spec import InputSpec
from shared.sheets.row import Row


class RowChecker:
    """Reads the rows of one query; what recurs in them is looked up once."""

    def __init__(self, rules: ModelRules, ontologies: Ontologies) -> None:
        self._faults = _FaultsOfRow()
        self._reader = InputReader(rules, MetadataReader(rules, ontologies, self._faults), self._faults)

    def check(self, row: Row) -> tuple[InputSpec | None, Sequence[Fault]]:
        """What the row asks for, or everything that is wrong with it."""
        if row.fault:
            return None, [Fault(f"{INPUTS}[{row.number}]", row.fault, row.line, "")]
        read = self._reader.one(row.item, row.number)
        if not self._faults.any:
            return read, ()
        return None, self._faults.taken(row)


class _FaultsOfRow(Faults):
    """The faults of the row that is being read."""

    def __init__(self) -> None:
        super().__init__(1_000)

    @property
    def any(self) -> bool:
        return bool(self._found)

    def taken(self, row: Row) -> list[Fault]:
        """The faults, each with its place in the file and in the row; then there are none."""
        head = len(f"{INPUTS}[{row.number}]")
        found, self._found = self._found, []
        pointers = [_pointer(each.path[head:]) for each in found]
        told = zip(found, pointers, strict=True)
        if row.origin is not None:
            return [row.origin.fault(pointer, each.message) for each, pointer in told]
        return [Fault(each.path, each.message, row.line, pointer) for each, pointer in told]


def _pointer(path: str) -> str:
    """The JSON Pointer of a path below an input, such as `.metadata.sex`."""
    inside = f".{METADATA}."
    head, key = (f"/{METADATA}/", path[len(inside) :]) if path.startswith(inside) else ("/", path[1:])
    if not key:
        return ""
    if key.startswith("["):  # an odd key, quoted
        try:
            key = str(ast.literal_eval(key[1:-1]))
        except (SyntaxError, ValueError):
            return head.rstrip("/")
    return head + key.replace("~", "~0").replace("/", "~1")
