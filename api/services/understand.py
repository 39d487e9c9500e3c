"""What a query means to a model, or every fault that it has.

Pure but for a look at the clock. A large query takes long: for a thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from api.services.warnings import placement_warnings
from shared.errors import Fault, InvalidInput, QueryRejected
from shared.ontology.terms import Ontologies
from shared.queries.check import check_query, spec_of
from shared.queries.coverage import CoverageSummary, coverage_of
from shared.queries.extent import Extent, extent_of
from shared.queries.faults import shown
from shared.queries.rules import ModelRules
from shared.queries.spec import QuerySpec
from shared.queries.times import moment
from shared.sheets.asked import LargeQuery
from shared.sheets.sent import SentFile
from shared.sheets.taking_in import Intake, TakenIn
from shared.storage.port import Storage


@dataclass(frozen=True, slots=True)
class Understood:
    """A checked query, how much it asks for, how well the model knows that, and what to tell its owner.

    The inputs of a large one are no part of its spec: they are `taken_in`.
    """

    spec: QuerySpec
    extent: Extent
    coverage: CoverageSummary
    warnings: list[str]
    taken_in: TakenIn | None = None


@dataclass(frozen=True, slots=True)
class Desk:
    """Where large queries are taken in: by which rules, into which storage, up to how many bytes."""

    rules: ModelRules
    ontologies: Ontologies
    storage: Storage
    most_bytes: int

    def take_in(self, query: Mapping[str, Any], file: SentFile | None, job_id: UUID) -> Understood:
        """Check options, then rows, which go to the storage as they come out good.

        Raises QueryRejected, RowsRejected, InvalidInput, BodyTooLarge, StorageUnavailable.
        """
        if late := tuple(_too_late(query)):
            raise QueryRejected(late)
        large = LargeQuery.read(query, self.rules, from_file=file is not None)
        rows = large.rows(file, self.rules, self.most_bytes)
        intake = Intake(self.rules, self.ontologies, self.storage, job_id, large.on_error)
        taken_in = intake.take(rows)
        spec = spec_of(large.options, self.rules, (), taken_in.extent.described)
        coverage = taken_in.coverage.summary(self.rules.vocabulary, self.ontologies.label)
        return Understood(spec, taken_in.extent, coverage, _warnings(spec, coverage), taken_in)


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
    return Understood(spec, extent_of(spec.inputs), coverage, _warnings(spec, coverage))


def stored_digests(meant: Understood) -> list[str]:
    """Of the sheets and the counts that the inputs of a large query became; nothing of another one."""
    if meant.taken_in is None:
        return []
    writer = meant.taken_in.writer
    return [*(sheet.sha256 for sheet in writer.sheets), *writer.input_digests]


def _warnings(spec: QuerySpec, coverage: CoverageSummary) -> list[str]:
    return [*spec.notes, *placement_warnings(coverage)]
