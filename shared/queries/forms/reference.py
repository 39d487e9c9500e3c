"""Samples near a real one: latents come from its counts, but those that the query describes by metadata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shared.queries.fields import METADATA_FIELDS, LatentGroup
from shared.queries.forms.form import COMMON_OPTIONS, Options, QueryForm
from shared.queries.input_values import COUNTS, CUSTOM_ID, METADATA, NUM_SAMPLES, InputValues, RawInput
from shared.queries.requests import RequestType
from shared.queries.rules import ModelRules
from shared.queries.spec import InputSpec

PERTURBATION = "perturbation_ontology_id"
FIELDS = tuple(field.name for field in METADATA_FIELDS if field.group is LatentGroup.PERTURBATION)
DEFAULT_CONDITIONING = (str(LatentGroup.BIOLOGICAL), str(LatentGroup.TECHNICAL))


def _read_input(item: RawInput, path: str, values: InputValues) -> InputSpec:
    return InputSpec(
        *values.metadata(item, path, FIELDS, optional=True),
        values.num_samples(item, path),
        values.counts(item, path),
        values.custom_id(item, path),
    )


def _complete(options: Options) -> Options:
    return {"conditioning": DEFAULT_CONDITIONING, **options}


def _example(rules: ModelRules, query: Mapping[str, Any], counts: Sequence[int]) -> Mapping[str, Any]:
    """The model's example sample, treated with the compound that the model knows best, if it knows one."""
    item = {METADATA: _best_known(rules), NUM_SAMPLES: 2, COUNTS: list(counts)}
    return {**query, "inputs": [item], "conditioning": list(DEFAULT_CONDITIONING)}


def _best_known(rules: ModelRules) -> dict[str, str]:
    terms = rules.vocabulary.field(PERTURBATION).terms
    compounds = [name for name, term in terms.items() if term.rows and name.startswith("CHEBI:")]
    best = max(compounds, key=lambda name: terms[name].rows, default=None)
    return {PERTURBATION: best} if best else {}


def _notes(options: Options, described: int | None) -> Iterator[str]:
    if "total_count" in options and not options.get("fixed_total_count"):
        yield (
            "total_count: it has no effect, since every sample is as large as its reference; set "
            "fixed_total_count to true to have it hold."
        )
    if described is not None and LatentGroup.PERTURBATION in options.get("conditioning", ()):
        yield (
            f"inputs[{described}].metadata: it has no effect, since conditioning takes the perturbation from "
            'the reference; leave "perturbation" out of conditioning to have the metadata hold.'
        )


REFERENCE = QueryForm(
    request_type=RequestType.REFERENCE_CONDITIONED,
    options=(*COMMON_OPTIONS, "conditioning", "fixed_total_count"),
    required=("sampling_strategy",),
    keys=(METADATA, NUM_SAMPLES, COUNTS, CUSTOM_ID),
    optional=(METADATA, CUSTOM_ID),
    fields=FIELDS,
    read_input=_read_input,
    complete=_complete,
    example=_example,
    notes=_notes,
)
