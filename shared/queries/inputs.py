"""Reads the inputs of a query: conditions, and how many samples of each."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile

from shared.errors import InvalidInput
from shared.queries import scalars
from shared.queries.faults import Faults, key_path, listed, meant, shown
from shared.queries.fields import FIELD_NAMES
from shared.queries.metadata import MetadataReader
from shared.queries.rules import PREDICT_METADATA, REFERENCE_CONDITIONING, ModelRules
from shared.queries.spec import InputSpec

KEYS = ("metadata", "num_samples")


class InputReader:
    """Reads the inputs of one query and notes their faults. What it returns counts only without any."""

    def __init__(self, rules: ModelRules, metadata: MetadataReader, faults: Faults) -> None:
        self._rules, self._metadata, self._faults = rules, metadata, faults

    def read(self, raw: object) -> tuple[InputSpec, ...]:
        """All inputs. A lone object is a list of one, as R writes it."""
        items = [raw] if isinstance(raw, Mapping) else raw
        limits = self._rules.limits
        if not isinstance(items, list) or not items:
            said = (
                "inputs is required"
                if raw is None
                else f"{'An empty list' if raw == [] else shown(raw)} is sent"
            )
            self._faults.add(
                "inputs", f"{said}: it must be a list of one or more objects with {listed(KEYS)}."
            )
            return ()
        if len(items) > limits.inputs:
            self._faults.add(
                "inputs", f"{len(items):,} inputs are sent; a query takes at most {limits.inputs:,}."
            )
            return ()
        numbered = takewhile(lambda _: not self._faults.enough, enumerate(items))
        inputs = tuple(self._input(item, f"inputs[{index}]") for index, item in numbered)
        samples = sum(item.num_samples for item in inputs)
        if samples > limits.samples:
            self._faults.add(
                "inputs",
                f"{samples:,} samples are asked for; a query takes at most {limits.samples:,} in all.",
            )
        return inputs

    def _input(self, item: object, path: str) -> InputSpec:
        if not isinstance(item, Mapping):
            self._faults.add(path, f"{shown(item)} is not an object with {listed(KEYS)}.")
            return InputSpec({}, {}, 0)
        for key in item:
            if key not in KEYS:
                self._faults.add(key_path(path, key), self._unknown(key))
        metadata, where = item.get("metadata"), f"{path}.metadata"
        if metadata == []:  # which is how R writes an empty object
            metadata = {}
        values, placements = self._metadata.read(metadata if isinstance(metadata, Mapping) else {}, where)
        if not isinstance(metadata, Mapping):
            said = "metadata is required" if metadata is None else f"{shown(metadata)} is no metadata"
            self._faults.add(where, f"{said}: write an object, {{}} where nothing is to be set.")
        return InputSpec(values, placements, self._num_samples(item.get("num_samples"), path))

    def _num_samples(self, value: object, path: str) -> int:
        highest = self._rules.limits.samples
        try:
            if value is None:
                raise InvalidInput(f"num_samples is required: a whole number from 1 to {highest:,}.")
            return scalars.whole_number(value, 1, highest)
        except InvalidInput as refused:
            self._faults.add(f"{path}.num_samples", str(refused))
            return 0

    def _unknown(self, key: object) -> str:
        model_id = self._rules.model_id
        if key == "counts":
            others = f"{model_id}{REFERENCE_CONDITIONING} and {model_id}{PREDICT_METADATA}"
            return f"counts belong to the models {others}; remove them, or query one of those."
        if key in FIELD_NAMES:
            return f"{key} belongs into metadata; move it there."
        return f"An input has no key {shown(key)}.{meant(key, KEYS) or f' Its keys are {listed(KEYS)}.'}"
