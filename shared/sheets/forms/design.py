"""A design: lists of values whose combinations are the rows, each with an id made of what it says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import product
from math import prod
from typing import Any

import orjson

from shared.errors import Fault, QueryRejected
from shared.queries import inputs as input_rules
from shared.queries.faults import listed, meant, shown
from shared.queries.forms import FORMS
from shared.queries.input_values import CUSTOM_ID, METADATA, NUM_SAMPLES
from shared.queries.requests import RequestType
from shared.queries.rules import ModelRules
from shared.sheets.forms.combination import Combination, Lists, Steps, fault_at
from shared.sheets.row import Row

DESIGN, EXCLUDE = "design", "exclude"
_PREFIX, _DIGITS = "design-", 16
_SHAPE = 'Write an object of lists, such as {"sex": ["male", "female"]}, or a list of such objects.'


@dataclass(frozen=True, slots=True)
class Design:
    """Combinations in the order of the keys, the last varying fastest; several designs follow each other.

    A combination that holds all the pairs of an entry of `exclude` is left out, and has no number.
    """

    designs: tuple[Lists, ...]
    exclude: tuple[Mapping[str, object], ...]
    num_samples: object

    @classmethod
    def read(cls, written: object, exclude: object, num_samples: object, rules: ModelRules) -> Design:
        """A design as JSON says it. Raises QueryRejected with every fault of its form."""
        faults: list[Fault] = []
        if rules.request_type is not RequestType.BASELINE:
            said = f"A design has no counts, which {rules.public_id} needs; query {rules.model_id}."
            raise QueryRejected((Fault(DESIGN, said),))
        designs = written if isinstance(written, list) else [written]
        steps = [(DESIGN,) if designs is not written else (DESIGN, index) for index in range(len(designs))]
        read = [_lists(each, place, faults) for each, place in zip(designs, steps, strict=True)]
        if not designs:
            faults.append(Fault(DESIGN, f"An empty list is sent. {_SHAPE}"))
        left_out = _excluded(exclude, faults)
        number = sum(prod(map(len, lists.values.values())) for lists in read)
        if number > rules.limits.inputs and not faults:
            said = input_rules.too_many_inputs(number, rules.limits)
            faults.append(Fault(DESIGN, f"Before anything is excluded, {said}"))
        if faults:
            raise QueryRejected(tuple(faults))
        return cls(tuple(read), left_out, 1 if num_samples is None else num_samples)

    def rows(self) -> Iterator[Row]:
        """The combinations, as inputs."""
        number = 0
        for lists in self.designs:
            for ordinal, combination in enumerate(product(*lists.values.values())):
                metadata = {
                    name: value
                    for name, value in zip(lists.values, combination, strict=True)
                    if value is not None and value != ""
                }
                if not any(_holds(metadata, entry) for entry in self.exclude):
                    item = {METADATA: metadata, NUM_SAMPLES: self.num_samples, CUSTOM_ID: stable_id(metadata)}
                    yield Row(number, number + 1, item, origin=Combination(lists, ordinal))
                    number += 1


def _holds(metadata: Mapping[str, object], entry: Mapping[str, object]) -> bool:
    """Whether a combination holds all the pairs of an entry; null is a field that is left open."""
    return all(metadata.get(name, "") == ("" if value is None else value) for name, value in entry.items())


def stable_id(metadata: Mapping[str, object]) -> str:
    """The id of a combination: the same wherever, whenever and in whatever order it is asked for."""
    digest = sha256(orjson.dumps(dict(metadata), option=orjson.OPT_SORT_KEYS)).hexdigest()
    return _PREFIX + digest[:_DIGITS]


def _lists(written: object, steps: Steps, faults: list[Fault]) -> Lists:
    if not isinstance(written, Mapping) or not written:
        said = "An empty object" if isinstance(written, Mapping) else shown(written)
        faults.append(fault_at(steps, f"{said} is sent. {_SHAPE}"))
        return Lists.read(steps, {})
    fields = FORMS[RequestType.BASELINE].fields
    for name, given in written.items():
        said = ""
        if name not in fields:
            hint = meant(name, fields) or f" The fields are {listed(fields)}."
            said = f"There is no metadata field {shown(name)}.{hint}"
        elif given == []:
            said = "An empty list leaves no combination; remove it, or write null in it."
        elif isinstance(given, Mapping) or (
            isinstance(given, list) and any(isinstance(each, list | Mapping) for each in given)
        ):
            said = "A list or an object stands among the values; write texts or numbers."
        if said:
            faults.append(fault_at((*steps, str(name)), said))
    return Lists.read(steps, written)


def _excluded(exclude: object, faults: list[Fault]) -> tuple[Mapping[str, Any], ...]:
    entries = [exclude] if isinstance(exclude, Mapping) else exclude
    if entries is None:
        return ()
    if not isinstance(entries, list):
        faults.append(Fault(EXCLUDE, f"{shown(entries)} is sent: it must be a list of objects."))
        return ()
    for index, entry in enumerate(entries):
        if not isinstance(entry, Mapping) or not entry:
            faults.append(Fault(f"{EXCLUDE}[{index}]", "It must be an object of fields and values."))
    return tuple(entry for entry in entries if isinstance(entry, Mapping))
