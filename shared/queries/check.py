"""From the JSON of a query to a checked spec, or to every fault that it has. Knows no HTTP and no rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from shared.errors import InvalidInput
from shared.ontology.terms import Ontologies
from shared.queries import scalars
from shared.queries.faults import Faults, key_path, listed, meant, shown
from shared.queries.metadata import MetadataReader
from shared.queries.rules import PREDICT_METADATA, REFERENCE_CONDITIONING, ModelRules
from shared.queries.spec import InputSpec, Modality, QuerySpec, SamplingStrategy

T = TypeVar("T")
_OPTIONS = (
    "sampling_strategy",
    "inputs",
    "total_count",
    "deterministic_latents",
    "seed",
    "source",
    "modality",
)
_INPUT_KEYS = ("metadata", "num_samples")
_CONDITIONING_OPTIONS = ("conditioning", "fixed_total_count")


def check_query(body: object, rules: ModelRules, ontologies: Ontologies) -> QuerySpec:
    """The spec of a query for one model. Raises QueryRejected with all of its faults."""
    faults = Faults(rules.limits.faults)
    if not isinstance(body, Mapping):
        faults.add("", f"The query is {shown(body)}; it must be an object with sampling_strategy and inputs.")
        faults.raise_any()
        raise AssertionError("raise_any raised")
    return _QueryReader(body, rules, MetadataReader(rules, ontologies), faults).read()


class _QueryReader:
    """Reads one body; notes faults on the way and raises them together at the end."""

    def __init__(
        self, body: Mapping[object, object], rules: ModelRules, metadata: MetadataReader, faults: Faults
    ) -> None:
        self._body, self._rules, self._metadata, self._faults = body, rules, metadata, faults

    def read(self) -> QuerySpec:
        limits = self._rules.limits
        self._refuse_unknown_options()
        strategy = self._strategy()
        inputs = self._inputs()
        total_count = self._option(
            "total_count",
            lambda value: scalars.whole_number(value, 1, limits.total_count),
            self._rules.default_total_count,
        )
        spec = QuerySpec(
            model_id=self._rules.model_id,
            sampling_strategy=strategy,
            inputs=inputs,
            total_count=total_count,
            deterministic_latents=self._option("deterministic_latents", scalars.switch, False),
            seed=self._option("seed", lambda value: scalars.whole_number(value, 0, limits.seed), None),
            source=self._option("source", lambda value: scalars.text(value, limits.text), None),
        )
        if spec.num_samples > limits.samples:
            self._faults.add(
                "inputs",
                f"{spec.num_samples:,} samples are asked for; one query takes at most {limits.samples:,}.",
            )
        self._faults.raise_any()
        return spec

    def _option(self, name: str, read: Callable[[object], T], default: T) -> T:
        value = self._body.get(name)
        if value is None:
            return default
        try:
            return read(value)
        except InvalidInput as fault:
            self._faults.add(name, str(fault))
            return default

    def _refuse_unknown_options(self) -> None:
        for key in self._body:
            if key in _CONDITIONING_OPTIONS:
                other = self._rules.model_id + REFERENCE_CONDITIONING
                self._faults.add(
                    str(key), f"{key} is an option of reference conditioning ({other}); remove it."
                )
            elif key not in _OPTIONS:
                hint = meant(key, _OPTIONS) or f" The options are {listed(_OPTIONS)}."
                self._faults.add(key_path("", key), f"There is no option {shown(key)}.{hint}")

    def _strategy(self) -> SamplingStrategy:
        everywhere, here = tuple(map(str, SamplingStrategy)), self._rules.sampling_strategies
        value = self._body.get("sampling_strategy")
        if value is None:
            self._faults.add("sampling_strategy", f"It is required: one of {listed(map(str, here))}.")
            return here[0]
        try:
            strategy = SamplingStrategy(scalars.choice(value, everywhere))
        except InvalidInput as fault:
            self._faults.add("sampling_strategy", str(fault))
            return here[0]
        if strategy not in here:
            kind = "single-cell" if self._rules.modality is Modality.SINGLE_CELL else "bulk"
            self._faults.add(
                "sampling_strategy",
                f'"{strategy}" is not offered by {self._rules.model_id}, a {kind} model; it offers {listed(map(str, here))}.',
            )
        return strategy

    def _inputs(self) -> tuple[InputSpec, ...]:
        value = self._body.get("inputs")
        items = [value] if isinstance(value, Mapping) else value
        if not isinstance(items, list) or not items:
            said = "is missing" if value is None else f"is {'empty' if value == [] else shown(value)}"
            self._faults.add("inputs", f"It {said}; it must be a list of one or more inputs.")
            return ()
        if len(items) > self._rules.limits.inputs:
            self._faults.add(
                "inputs",
                f"{len(items):,} inputs were sent; one query takes at most {self._rules.limits.inputs:,}.",
            )
            return ()
        return tuple(self._input(item, f"inputs[{index}]") for index, item in enumerate(items))

    def _input(self, item: object, path: str) -> InputSpec:
        if not isinstance(item, Mapping):
            self._faults.add(path, f"{shown(item)} is not an object with metadata and num_samples.")
            return InputSpec({}, {}, 1)
        for key in item:
            if key not in _INPUT_KEYS:
                self._faults.add(key_path(path, key), _unknown_input_key(key, self._rules.model_id))
        metadata, placements = self._read_metadata(item, path)
        return InputSpec(metadata, placements, self._num_samples(item, path))

    def _read_metadata(self, item: Mapping[object, object], path: str):  # type: ignore[no-untyped-def]
        where = f"{path}.metadata"
        metadata = item.get("metadata")
        if metadata == [] or metadata is None and "metadata" in item:
            metadata = {}  # An empty list is how R writes an empty object.
        if not isinstance(metadata, Mapping):
            said = "is missing" if "metadata" not in item else f"is {shown(metadata)}"
            self._faults.add(where, f"It {said}; it must be an object, {{}} where nothing is set.")
            return {}, {}
        return self._metadata.read(metadata, where, self._faults)

    def _num_samples(self, item: Mapping[object, object], path: str) -> int:
        where, highest = f"{path}.num_samples", self._rules.limits.samples
        if item.get("num_samples") is None:
            self._faults.add(where, f"It is missing; it must be a whole number from 1 to {highest:,}.")
            return 1
        try:
            return scalars.whole_number(item["num_samples"], 1, highest)
        except InvalidInput as fault:
            self._faults.add(where, str(fault))
            return 1


def _unknown_input_key(key: object, model_id: str) -> str:
    if key == "counts":
        others = f"{model_id}{REFERENCE_CONDITIONING} and {model_id}{PREDICT_METADATA}"
        return f"counts are an input of {others}, not of {model_id}; remove them."
    return f"An input has no key {shown(key)}.{meant(key, _INPUT_KEYS) or f' It has {listed(_INPUT_KEYS)}.'}"
