"""A webhook endpoint as its owner writes it, in JSON: read, or every fault that it has. Knows no rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from shared.errors import EndpointRejected, Fault, InvalidInput
from shared.jobs.events import EventKind
from shared.queries import scalars
from shared.queries.faults import key_path, listed, meant, shown
from shared.webhooks.destinations import Target
from shared.webhooks.schedule import MOST_ATTEMPTS

LONGEST_DESCRIPTION = 500
EVENTS = tuple(map(str, EventKind))


def read_endpoint(body: object, model_ids: Collection[str], *, whole: bool) -> dict[str, Any]:
    """What was set of an endpoint; null counts as unset. `whole` is a new one, which needs its URL.

    Raises EndpointRejected with all faults.
    """
    if not isinstance(body, Mapping):
        said = f"{shown(body)} is sent; a webhook endpoint is an object with {listed(_READERS)}."
        raise EndpointRejected((Fault("", said),))
    values: dict[str, Any] = {}
    faults = [Fault(key_path("", key), _unknown(key)) for key in body if key not in _READERS]
    for name, read in _READERS.items():
        if (value := body.get(name)) is not None:
            try:
                values[name] = read(value, model_ids)
            except InvalidInput as refused:
                faults.append(Fault(name, str(refused)))
        elif whole and name == "url":
            faults.append(Fault(name, "url is required: the address that is told what happens."))
    if faults:
        raise EndpointRejected(tuple(faults))
    return values


def _url(value: object, _: Collection[str]) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{shown(value)} is not a URL; write it as a text that begins with https://.")
    return Target.read(value.strip()).url


def _description(value: object, _: Collection[str]) -> str:
    return scalars.text(value, LONGEST_DESCRIPTION)


def _events(value: object, _: Collection[str]) -> list[str]:
    """No events mean every event."""
    return [] if value == [] else list(scalars.some_of(value, EVENTS))


def _models(value: object, model_ids: Collection[str]) -> list[str]:
    """No models mean every model."""
    return [] if value == [] else list(scalars.some_of(value, tuple(model_ids)))


def _switch(value: object, _: Collection[str]) -> bool:
    return scalars.switch(value)


def _max_attempts(value: object, _: Collection[str]) -> int:
    return scalars.whole_number(value, 1, MOST_ATTEMPTS)


_READERS: Mapping[str, Callable[[object, Collection[str]], object]] = {
    "url": _url,
    "description": _description,
    "events": _events,
    "models": _models,
    "enabled": _switch,
    "max_attempts": _max_attempts,
    "asymmetric": _switch,
}


def _unknown(key: object) -> str:
    if key == "secret":
        return "The server makes the secret, and shows it once; remove it."
    return f"There is no field {shown(key)}.{meant(key, _READERS) or f' The fields are {listed(_READERS)}.'}"
