"""Options as query parameters say them: the names of a query in JSON, their values as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

# Their values are texts in JSON, too, whatever they look like.
_TEXTS = {"sampling_strategy", "source", "priority", "deadline", "webhook_url", "on_error"}
_LISTS = {"conditioning", "webhook_events"}


def options_of(parameters: Mapping[str, str]) -> dict[str, Any]:
    """The options, as JSON would say them; what cannot be read stays text, and is refused as such later."""
    return {name: _value(name, written) for name, written in parameters.items()}


def _value(name: str, written: str) -> Any:
    if name in _TEXTS:
        return written
    if name in _LISTS and not written.lstrip().startswith("["):
        return [part.strip() for part in written.split(",")]
    try:
        return orjson.loads(written)
    except orjson.JSONDecodeError:
        return written
