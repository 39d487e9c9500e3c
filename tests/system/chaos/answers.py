"""An undisturbed result, in the form in which everything is held against it that a storm leaves behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson

from shared.queries.requests import RequestType
from shared.results.forms import FORMS
from shared.results.part import decode_part
from tests.system.chaos.questions import GENES, digest

Place = tuple[int, int]  # first sample and number of samples of a part, within its job


@dataclass(slots=True)
class Answer:
    """An undisturbed result: SHA-256 of its JSON, of each of its rows, and of its parts by place.

    Each API process cuts queries into parts in its own way; there are places of both.
    """

    json_sha256: str
    rows: Sequence[str]
    parts: dict[Place, str] = field(default_factory=dict)

    def has_part(self, place: Place, sha256: str, content: bytes | None, kind: RequestType) -> bool:
        """Whether a part is right; one of a chunk that deaths had cut again is compared row by row."""
        if place in self.parts:
            return self.parts[place] == sha256
        first, count = place
        return content is not None and part_rows(content, kind) == self.rows[first : first + count]

    def holds(self, rows: Sequence[str]) -> bool:
        """Whether these are rows of the result, in its order."""
        left = iter(self.rows)
        return all(row in left for row in rows)


def json_rows(content: bytes) -> list[str]:
    """SHA-256 of each row of a result's JSON."""
    return [digest(orjson.dumps(row)) for row in orjson.loads(content)["outputs"]]


def part_rows(content: bytes, kind: RequestType) -> list[str]:
    """SHA-256 of each row of a part, as its JSON has it."""
    rows = FORMS[kind].json_rows(decode_part(content), GENES)
    written = (orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY) for row in rows)
    return [digest(orjson.dumps(orjson.loads(row))) for row in written]
