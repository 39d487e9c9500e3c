"""The top-level options of a query. A new one is one more line of `READERS` and a field of QuerySpec.

Which request types have it is said in their forms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from shared.errors import InvalidInput
from shared.jobs.events import EventKind
from shared.jobs.lanes import Lane
from shared.queries import scalars, times
from shared.queries.faults import Faults, key_path, listed, meant, shown
from shared.queries.fields import FIELD_NAMES, LatentGroup
from shared.queries.forms import FORMS
from shared.queries.inputs import INPUTS
from shared.queries.rules import ModelRules
from shared.queries.spec import SamplingStrategy
from shared.webhooks.destinations import Target

STRATEGY, VERSION = "sampling_strategy", "model_version"
MOST_VERSIONS = 1_000_000
LATENTS = tuple(map(str, LatentGroup))
EVENTS = tuple(map(str, EventKind))


def read_options(body: Mapping[object, object], rules: ModelRules, faults: Faults) -> dict[str, Any]:
    """The options that were set, as fields of QuerySpec; null counts as unset. Notes every fault."""
    form = FORMS[rules.request_type]
    options: dict[str, Any] = {}
    for name in form.options:
        if (value := body.get(name)) is not None:
            try:
                options[name] = READERS[name](value, rules)
            except InvalidInput as refused:
                faults.add(name, str(refused))
    if STRATEGY in form.required and body.get(STRATEGY) is None:
        faults.add(STRATEGY, f"sampling_strategy is required. {_offer(rules)}")
    for key in body:
        if key != INPUTS and key not in form.options:
            faults.add(key_path("", key), _unknown(key, rules))
    return options


def pinned_version(query: object) -> int | None:
    """The version of the model that a query asks for; None where it names none that could be one."""
    version = query.get(VERSION) if isinstance(query, Mapping) else None
    try:
        return scalars.whole_number(version, 1, MOST_VERSIONS)
    except InvalidInput:
        return None


def _model_version(value: object, rules: ModelRules) -> int:
    version = scalars.whole_number(value, 1, MOST_VERSIONS)
    if rules.versions and version not in rules.versions:
        raise InvalidInput(
            f"There is no version {version} of {rules.public_id} here. Write one of those there are, "
            f"{', '.join(map(str, rules.versions))}, or leave model_version out for the newest."
        )
    return version


def _strategy(value: object, rules: ModelRules) -> SamplingStrategy:
    strategy = SamplingStrategy(scalars.choice(value, tuple(map(str, SamplingStrategy))))
    if strategy not in rules.sampling_strategies:
        raise InvalidInput(f'"{strategy}" is not for {rules.modality} models. {_offer(rules)}')
    return strategy


def _total_count(value: object, rules: ModelRules) -> int:
    return scalars.whole_number(value, 1, rules.limits.total_count)


def _switch(value: object, _: ModelRules) -> bool:
    return scalars.switch(value)


def _seed(value: object, rules: ModelRules) -> int:
    return scalars.whole_number(value, 0, rules.limits.seed)


def _source(value: object, rules: ModelRules) -> str:
    return scalars.text(value, rules.limits.text)


def _conditioning(value: object, _: ModelRules) -> tuple[str, ...]:
    """Latents by name, in their own order."""
    return scalars.some_of(value, LATENTS)


def _priority(value: object, _: ModelRules) -> Lane:
    return Lane(scalars.choice(value, tuple(map(str, Lane))))


def _deadline(value: object, _: ModelRules) -> datetime:
    return times.moment(value)


def _expires_in(value: object, rules: ModelRules) -> timedelta:
    return times.duration(value, rules.limits.shortest_life, rules.limits.longest_life)


def _client_metadata(value: object, rules: ModelRules) -> dict[str, str]:
    """A user's own pairs of short texts; R writes an empty object as an empty list."""
    pairs = {} if value == [] else value
    if not isinstance(pairs, Mapping):
        raise InvalidInput(f"{shown(value)} is sent: it must be an object of texts.")
    if len(pairs) > rules.limits.pairs:
        raise InvalidInput(f"{len(pairs)} pairs are too many; at most {rules.limits.pairs} are kept.")
    return {_pair_key(key, rules): _pair_value(key, text, rules) for key, text in pairs.items()}


def _pair_key(key: object, rules: ModelRules) -> str:
    if not key:
        raise InvalidInput("A key is empty; name it.")
    return scalars.text(key, rules.limits.key)


def _pair_value(key: object, value: object, rules: ModelRules) -> str:
    try:
        return scalars.text(value, rules.limits.text)
    except InvalidInput as refused:
        raise InvalidInput(f"{shown(key)}: {refused}") from None


def _webhook_url(value: object, _: ModelRules) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{shown(value)} is not a URL; write it as a text that begins with https://.")
    return Target.read(value.strip()).url


def _webhook_events(value: object, _: ModelRules) -> tuple[str, ...]:
    return scalars.some_of(value, EVENTS)


READERS: Mapping[str, Callable[[object, ModelRules], object]] = {
    STRATEGY: _strategy,
    "total_count": _total_count,
    "deterministic_latents": _switch,
    "seed": _seed,
    "source": _source,
    VERSION: _model_version,
    "conditioning": _conditioning,
    "fixed_total_count": _switch,
    "priority": _priority,
    "deadline": _deadline,
    "expires_in": _expires_in,
    "client_metadata": _client_metadata,
    "webhook_url": _webhook_url,
    "webhook_events": _webhook_events,
}


def _offer(rules: ModelRules) -> str:
    return f"{rules.model_id} offers {listed(map(str, rules.sampling_strategies))}."


def _unknown(key: object, rules: ModelRules) -> str:
    names = (INPUTS, *FORMS[rules.request_type].options)
    elsewhere = [rules.sibling(kind) for kind, form in FORMS.items() if key in form.options]
    match key:
        case _ if elsewhere:
            return f"{key} belongs to {' and '.join(elsewhere)}; remove it, or query that model."
        case "modality":
            return f"The modality is the model's own ({rules.model_id} is {rules.modality}); remove it."
        case "metadata" | "num_samples" | "counts":
            return f"{key} belongs into an input; move it into inputs."
        case str() if key in FIELD_NAMES:
            return f"{key} describes an input; move it into the metadata of that input."
    return f"There is no option {shown(key)}.{meant(key, names) or f' The options are {listed(names)}.'}"
