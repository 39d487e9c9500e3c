"""Reads the inputs of a query: what each holds is the affair of the request type's form."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile

from shared.queries.custom_ids import CustomIds
from shared.queries.faults import Faults, key_path, listed, meant, shown
from shared.queries.fields import FIELD_NAMES
from shared.queries.forms import FORMS
from shared.queries.input_values import COUNTS, CUSTOM_ID, METADATA, InputValues
from shared.queries.metadata import MetadataReader
from shared.queries.rules import Limits, ModelRules
from shared.queries.spec import InputSpec

INPUTS = "inputs"
_PLURALS = {COUNTS: ("belong", "them"), METADATA: ("belong", "them")}


class InputReader:
    """Reads the inputs of one query and notes their faults. What it returns counts only without any."""

    def __init__(self, rules: ModelRules, metadata: MetadataReader, faults: Faults) -> None:
        self._rules, self._faults = rules, faults
        self._form = FORMS[rules.request_type]
        self._values = InputValues(rules, metadata, faults)
        self._custom_ids = CustomIds()

    def read(self, raw: object) -> tuple[InputSpec, ...]:
        """All inputs. A lone object is a list of one, as R writes it."""
        items = [raw] if isinstance(raw, Mapping) else raw
        limits = self._rules.limits
        if not isinstance(items, list) or not items:
            self._faults.add(INPUTS, self._no_inputs(raw))
            return ()
        if len(items) > limits.inputs:
            self._faults.add(INPUTS, too_many_inputs(len(items), limits))
            return ()
        numbered = takewhile(lambda _: not self._faults.enough, enumerate(items))
        inputs = tuple(self.one(item, index) for index, item in numbered)
        samples = sum(item.num_samples for item in inputs)
        if samples > limits.samples:
            self._faults.add(INPUTS, too_many_samples(samples, limits))
        return inputs

    def one(self, item: object, index: int) -> InputSpec:
        """The input at a place of the query. A custom id that another input has is at fault here, too."""
        path = f"{INPUTS}[{index}]"
        read = self._input(item, path)
        if read.custom_id and (first := self._custom_ids.claim(read.custom_id, index)) is not None:
            self._faults.add(
                f"{path}.{CUSTOM_ID}",
                f"{shown(read.custom_id)} is the custom_id of {INPUTS}[{first}] already; ids are unique.",
            )
        return read

    def _no_inputs(self, raw: object) -> str:
        said = "An empty list is sent" if raw == [] else f"{shown(raw)} is sent"
        said = "inputs is required" if raw is None else said
        return f"{said}: it must be a list of one or more objects with {listed(self._form.keys)}."

    def _input(self, item: object, path: str) -> InputSpec:
        if not isinstance(item, Mapping):
            self._faults.add(path, f"{shown(item)} is not an object with {listed(self._form.keys)}.")
            return InputSpec({}, {}, 0)
        for key in item:
            if key not in self._form.keys:
                self._faults.add(key_path(path, key), self._unknown(key))
        return self._form.read_input(item, path, self._values)

    def _unknown(self, key: object) -> str:
        keys = self._form.keys
        elsewhere = [self._rules.sibling(kind) for kind, form in FORMS.items() if key in form.keys]
        if elsewhere:
            (verb, them), others = _PLURALS.get(str(key), ("belongs", "it")), " and ".join(elsewhere)
            return f"{key} {verb} to the models {others}; remove {them}, or query one of those."
        if key in FIELD_NAMES:
            return f"{key} belongs into metadata; move it there."
        return f"An input has no key {shown(key)}.{meant(key, keys) or f' Its keys are {listed(keys)}.'}"


def too_many_inputs(number: int, limits: Limits) -> str:
    """That a query has more inputs than it may."""
    return f"{number:,} inputs are sent; a query takes at most {limits.inputs:,} (GENEQUEUE_MAX_INPUTS)."


def too_many_samples(number: int, limits: Limits) -> str:
    """That a query asks for more samples than it may."""
    return (
        f"{number:,} samples are asked for; a query takes at most {limits.samples:,} in all "
        "(GENEQUEUE_MAX_SAMPLES)."
    )
