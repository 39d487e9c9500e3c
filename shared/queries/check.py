"""From the JSON of a query to a checked spec, or to every fault that it has. Knows no HTTP and no rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from shared.errors import Fault, QueryRejected
from shared.ontology.terms import Ontologies
from shared.queries.faults import Faults, listed, shown
from shared.queries.forms import FORMS
from shared.queries.inputs import INPUTS, InputReader
from shared.queries.metadata import MetadataReader
from shared.queries.options import read_options
from shared.queries.rules import ModelRules
from shared.queries.spec import InputSpec, QuerySpec


def check_query(body: object, rules: ModelRules, ontologies: Ontologies) -> QuerySpec:
    """The spec of a query, as parsed from JSON, for one model. Raises QueryRejected with all its faults."""
    form = FORMS[rules.request_type]
    if not isinstance(body, Mapping):
        needed = listed((*form.required, INPUTS))
        raise QueryRejected((Fault("", f"The query is {shown(body)}; it must be an object with {needed}."),))
    faults = Faults(rules.limits.faults)
    options = read_options(body, rules, faults)
    inputs = InputReader(rules, MetadataReader(rules, ontologies, faults), faults).read(body.get(INPUTS))
    faults.raise_any()
    described = next((index for index, item in enumerate(inputs) if item.metadata), None)
    return spec_of(options, rules, inputs, described)


def spec_of(
    options: Mapping[str, Any], rules: ModelRules, inputs: tuple[InputSpec, ...], described: int | None
) -> QuerySpec:
    """The spec of options that were read and of inputs; none of those where they are kept elsewhere.

    `described` is the index of the first input with metadata.
    """
    form = FORMS[rules.request_type]
    settled = {"total_count": rules.default_total_count, **form.complete(options)}
    return QuerySpec(
        model_id=rules.public_id,
        inputs=inputs,
        request_type=rules.request_type,
        notes=(*form.notes(options, described), *_webhook_notes(options)),
        **settled,
    )


def _webhook_notes(options: Mapping[str, Any]) -> Iterator[str]:
    if "webhook_events" in options and "webhook_url" not in options:
        yield (
            "webhook_events: it has no effect without webhook_url; what registered endpoints are told is "
            "part of their registration."
        )
