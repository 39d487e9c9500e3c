"""The top-level options of a query. A new one is one more line of `READERS` and a field of QuerySpec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from shared.errors import InvalidInput
from shared.queries import scalars
from shared.queries.faults import Faults, key_path, listed, meant, shown
from shared.queries.fields import FIELD_NAMES
from shared.queries.rules import REFERENCE_CONDITIONING, ModelRules
from shared.queries.spec import SamplingStrategy

INPUTS, STRATEGY = "inputs", "sampling_strategy"


def read_options(body: Mapping[object, object], rules: ModelRules, faults: Faults) -> dict[str, Any]:
    """The options that were set, as fields of QuerySpec; null counts as unset. Notes every fault."""
    options: dict[str, Any] = {}
    for name, read in READERS.items():
        if (value := body.get(name)) is not None:
            try:
                options[name] = read(value, rules)
            except InvalidInput as refused:
                faults.add(name, str(refused))
    if body.get(STRATEGY) is None:
        faults.add(STRATEGY, f"sampling_strategy is required. {_offer(rules)}")
    for key in body:
        if key != INPUTS and key not in READERS:
            faults.add(key_path("", key), _unknown(key, rules))
    return options


def _strategy(value: object, rules: ModelRules) -> SamplingStrategy:
    strategy = SamplingStrategy(scalars.choice(value, tuple(map(str, SamplingStrategy))))
    if strategy not in rules.sampling_strategies:
        raise InvalidInput(f'"{strategy}" is not for {rules.modality} models. {_offer(rules)}')
    return strategy


def _total_count(value: object, rules: ModelRules) -> int:
    return scalars.whole_number(value, 1, rules.limits.total_count)


def _deterministic_latents(value: object, _: ModelRules) -> bool:
    return scalars.switch(value)


def _seed(value: object, rules: ModelRules) -> int:
    return scalars.whole_number(value, 0, rules.limits.seed)


def _source(value: object, rules: ModelRules) -> str:
    return scalars.text(value, rules.limits.text)


READERS: Mapping[str, Callable[[object, ModelRules], object]] = {
    STRATEGY: _strategy,
    "total_count": _total_count,
    "deterministic_latents": _deterministic_latents,
    "seed": _seed,
    "source": _source,
}


def _offer(rules: ModelRules) -> str:
    return f"{rules.model_id} offers {listed(map(str, rules.sampling_strategies))}."


def _unknown(key: object, rules: ModelRules) -> str:
    names = (INPUTS, *READERS)
    match key:
        case "conditioning" | "fixed_total_count":
            return (
                f"{key} belongs to {rules.model_id}{REFERENCE_CONDITIONING}; remove it, or query that model."
            )
        case "modality":
            return f"The modality is the model's own ({rules.model_id} is {rules.modality}); remove it."
        case "metadata" | "num_samples" | "counts":
            return f"{key} belongs into an input; move it into inputs."
        case str() if key in FIELD_NAMES:
            return f"{key} describes an input; move it into the metadata of that input."
    return f"There is no option {shown(key)}.{meant(key, names) or f' The options are {listed(names)}.'}"
