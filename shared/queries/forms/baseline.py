"""Samples of conditions that are described by metadata alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.queries.fields import FIELD_NAMES
from shared.queries.forms.form import COMMON_OPTIONS, QueryForm
from shared.queries.input_values import CUSTOM_ID, METADATA, NUM_SAMPLES, InputValues, RawInput
from shared.queries.requests import RequestType
from shared.queries.rules import ModelRules
from shared.queries.spec import InputSpec


def _read_input(item: RawInput, path: str, values: InputValues) -> InputSpec:
    return InputSpec(
        *values.metadata(item, path),
        values.num_samples(item, path),
        custom_id=values.custom_id(item, path),
    )


def _example(_: ModelRules, query: Mapping[str, Any], __: Sequence[int]) -> Mapping[str, Any]:
    return query


BASELINE = QueryForm(
    request_type=RequestType.BASELINE,
    options=COMMON_OPTIONS,
    required=("sampling_strategy",),
    keys=(METADATA, NUM_SAMPLES, CUSTOM_ID),
    optional=(CUSTOM_ID,),
    fields=FIELD_NAMES,
    read_input=_read_input,
    complete=dict,
    example=_example,
)
