"""How well a model knows what a query asks: each value once, with the terms that it stands on.

A summary of a checked query. Pure; knows no rows, and no sentences for people.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from shared.queries.spec import Coverage, InputSpec, Placement, QuerySpec
from shared.queries.vocabulary import Vocabulary

MOST_VALUES = 1_000
MOST_KEPT = 50_000  # while a query is read; of free texts, a million may differ
# What a reader should see first, and what is left out last.
_GRAVEST_FIRST = (Coverage.UNKNOWN, Coverage.ANCESTOR, Coverage.NOT_INFORMATIVE, Coverage.EXACT)

Labels = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class NamedTerm:
    """A term and its label; the id again where it has none."""

    id: str
    label: str


@dataclass(frozen=True, slots=True)
class CoveredValue:
    """One value of one field: how the model covers it, where, and how many inputs carry it.

    `terms` are what it stands on, `distance` the steps up to them, `path` its first place in the query.
    """

    field: str
    value: str
    label: str
    coverage: Coverage
    terms: tuple[NamedTerm, ...]
    distance: int
    inputs: int
    path: str


@dataclass(frozen=True, slots=True)
class CoverageSummary:
    """The values of a query, the gravest first; `left_out` counts those beyond the bound."""

    values: tuple[CoveredValue, ...] = ()
    left_out: int = 0

    def to_json(self) -> list[dict[str, Any]]:
        """One object a value, and `{"left_out": n}` at the end where some are not listed."""
        rest = [{"left_out": self.left_out}] if self.left_out else []
        return [asdict(value) for value in self.values] + rest


def coverage_of(spec: QuerySpec, vocabulary: Vocabulary, label_of: Labels) -> CoverageSummary:
    """The summary of a checked query; at most 1,000 values, in the order of the query within a coverage."""
    gathered = CoverageOfInputs()
    for index, item in enumerate(spec.inputs):
        gathered.add(index, item)
    return gathered.summary(vocabulary, label_of)


class CoverageOfInputs:
    """What users wrote, each value once, while inputs go by: memory does not grow with them.

    A cell line is placed differently where its tissue is given too. Beyond 50,000 different values, more are
    only counted, each as often as it comes.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str, Placement], _Occurrence] = {}
        self._beyond = 0

    def add(self, index: int, item: InputSpec) -> None:
        """The values of one input, by its index in the query."""
        for field, value in item.metadata.items():
            key = (field, value, item.placements[field])
            occurrence = self._seen.get(key)
            if occurrence is None:
                if len(self._seen) >= MOST_KEPT:
                    self._beyond += 1
                    continue
                occurrence = self._seen[key] = _Occurrence(*key, index)
            occurrence.inputs += 1

    def summary(self, vocabulary: Vocabulary, label_of: Labels) -> CoverageSummary:
        """At most 1,000 values, in the order of the query within a coverage."""
        found = sorted(self._seen.values(), key=lambda each: _GRAVEST_FIRST.index(each.place.coverage))
        listed = found[:MOST_VALUES]
        values = tuple(each.described(vocabulary, label_of) for each in listed)
        return CoverageSummary(values, len(found) - len(listed) + self._beyond)


@dataclass(slots=True)
class _Occurrence:
    field: str
    value: str
    place: Placement
    first_input: int
    inputs: int = 0

    def described(self, vocabulary: Vocabulary, label_of: Labels) -> CoveredValue:
        known = vocabulary.field(self.field).terms
        terms = (
            NamedTerm(term, known[term].label if term in known else label_of(term) or term)
            for term in self.place.terms
        )
        return CoveredValue(
            field=self.field,
            value=self.value,
            label=label_of(self.value) or self.value,
            coverage=self.place.coverage,
            terms=tuple(terms),
            distance=self.place.distance,
            inputs=self.inputs,
            path=f"inputs[{self.first_input}].metadata.{self.field}",
        )
