"""What a query means to a model, or every fault that it has.

Pure but for a look at the clock. A large query takes long: for a thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from api.services.warnings import placement_warnings
from shared.errors import Fault, InvalidInput, QueryRejected
from shared.ontology.terms import Ontologies
from shared.queries.check import check_query
from shared.queries.coverage import CoverageSummary, coverage_of
from shared.queries.faults import shown
from shared.queries.rules import ModelRules
from shared.queries.spec import QuerySpec
from shared.queries.times import moment


@dataclass(frozen=True, slots=True)
class Understood:
    """A checked query, how well the model knows what it asks, and what to tell its owner of that."""

    spec: QuerySpec
    coverage: CoverageSummary
    warnings: list[str]


def understand(query: object, rules: ModelRules, ontologies: Ontologies) -> Understood:
    """Check a query as parsed from JSON. Raises QueryRejected with all its faults."""
    late = tuple(_too_late(query))
    try:
        spec = check_query(query, rules, ontologies)
    except QueryRejected as rejected:
        raise QueryRejected((*rejected.faults, *late)) from None
    if late:
        raise QueryRejected(late)
    return understood(spec, rules, ontologies)


def _too_late(query: object) -> Iterator[Fault]:
    """The fault of a deadline that is over already; one that cannot be read is a fault of the check."""
    written = query.get("deadline") if isinstance(query, Mapping) else None
    try:
        deadline = None if written is None else moment(written)
    except InvalidInput:
        return
    now = datetime.now(UTC)
    if deadline is not None and deadline <= now:
        yield Fault(
            "deadline",
            f"{shown(written)} is in the past: it is {now:%Y-%m-%dT%H:%M:%SZ} now, and nothing would be "
            "begun. Write a later moment, or send the header Cancel-After: <seconds>: it counts from now.",
        )


def understood(spec: QuerySpec, rules: ModelRules, ontologies: Ontologies) -> Understood:
    """A query that was checked before."""
    coverage = coverage_of(spec, rules.vocabulary, ontologies.label)
    return Understood(spec, coverage, [*spec.notes, *placement_warnings(coverage)])
