"""What distinguishes one request type's queries from another's. Knows none of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.queries.input_values import InputValues, RawInput
from shared.queries.requests import RequestType
from shared.queries.rules import ModelRules
from shared.queries.spec import InputSpec

Options = Mapping[str, Any]
COMMON_OPTIONS = (
    "sampling_strategy",
    "total_count",
    "deterministic_latents",
    "seed",
    "source",
    "model_version",
    "priority",
    "deadline",
    "expires_in",
    "client_metadata",
    "webhook_url",
    "webhook_events",
)


def no_notes(_: Options, __: int | None) -> Iterable[str]:
    """Nothing to say."""
    return ()


@dataclass(frozen=True, slots=True)
class QueryForm:
    """How the queries of one request type are written and read.

    `options` may stand at the top level, those in `required` must; `keys` are the keys of an input, some of
    them `optional`, and `fields` what its metadata may set. `read_input` gets an input and its path.
    `complete` turns the options that were set into fields of QuerySpec. `example` makes a query from a
    model's own example query and example counts. `notes` says what a query asks for in vain, given the index
    of the first input with metadata.
    """

    request_type: RequestType
    options: tuple[str, ...]
    required: tuple[str, ...]
    keys: tuple[str, ...]
    optional: tuple[str, ...]
    fields: tuple[str, ...]
    read_input: Callable[[RawInput, str, InputValues], InputSpec]
    complete: Callable[[Options], Options]
    example: Callable[[ModelRules, Mapping[str, Any], Sequence[int]], Mapping[str, Any]]
    notes: Callable[[Options, int | None], Iterable[str]] = no_notes
