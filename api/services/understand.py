"""What a query means to a model, or every fault that it has. Pure; a large query takes long: for a thread."""

from __future__ import annotations

from dataclasses import dataclass

from api.services.warnings import placement_warnings
from shared.ontology.terms import Ontologies
from shared.queries.check import check_query
from shared.queries.coverage import CoverageSummary, coverage_of
from shared.queries.rules import ModelRules
from shared.queries.spec import QuerySpec


@dataclass(frozen=True, slots=True)
class Understood:
    """A checked query, how well the model knows what it asks, and what to tell its owner of that."""

    spec: QuerySpec
    coverage: CoverageSummary
    warnings: list[str]


def understand(query: object, rules: ModelRules, ontologies: Ontologies) -> Understood:
    """Check a query as parsed from JSON. Raises QueryRejected with all its faults."""
    return understood(check_query(query, rules, ontologies), rules, ontologies)


def understood(spec: QuerySpec, rules: ModelRules, ontologies: Ontologies) -> Understood:
    """A query that was checked before."""
    coverage = coverage_of(spec, rules.vocabulary, ontologies.label)
    return Understood(spec, coverage, [*spec.notes, *placement_warnings(coverage)])
