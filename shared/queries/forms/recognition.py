"""What a real sample is: its metadata and latents, predicted from its counts alone. One row an input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shared.queries.forms.form import COMMON_OPTIONS, Options, QueryForm
from shared.queries.input_values import COUNTS, CUSTOM_ID, InputValues, RawInput
from shared.queries.requests import RequestType
from shared.queries.rules import ModelRules
from shared.queries.spec import InputSpec, SamplingStrategy


def _read_input(item: RawInput, path: str, values: InputValues) -> InputSpec:
    return InputSpec({}, {}, 1, values.counts(item, path), values.custom_id(item, path))


def _complete(options: Options) -> Options:
    """The reconstruction is as large as the sample itself, unless the query says how large."""
    strategy = {"sampling_strategy": SamplingStrategy.MEAN_ESTIMATION}
    return {**strategy, **options, "fixed_total_count": "total_count" in options}


def _notes(options: Options, _: int | None) -> Iterator[str]:
    if options.get("sampling_strategy") is SamplingStrategy.SAMPLE_GENERATION:
        yield "sampling_strategy: it has no effect, since a reconstruction is a mean estimate; leave it out."


def _example(_: ModelRules, query: Mapping[str, Any], counts: Sequence[int]) -> Mapping[str, Any]:
    return {"inputs": [{COUNTS: list(counts)}], "seed": query.get("seed", 1)}


RECOGNITION = QueryForm(
    request_type=RequestType.PREDICT_METADATA,
    options=COMMON_OPTIONS,
    required=(),
    keys=(COUNTS, CUSTOM_ID),
    optional=(CUSTOM_ID,),
    fields=(),
    read_input=_read_input,
    complete=_complete,
    example=_example,
    notes=_notes,
)
