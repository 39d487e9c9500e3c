"""Where the values of a combination stand in its design: a fault of a value is told there, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from shared.errors import Fault
from shared.queries.faults import key_path, shown

_METADATA, _CUSTOM_ID = "/metadata/", "/custom_id"

Steps = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Lists:
    """One design: the values of each field, and the steps to it in the query.

    `alone` are fields whose value is in no list; `repeats` says of a value that is there already where it is.
    """

    steps: Steps
    values: Mapping[str, Sequence[object]]
    alone: frozenset[str]
    repeats: Mapping[str, Mapping[int, int]]

    @classmethod
    def read(cls, steps: Steps, written: Mapping[str, object]) -> Self:
        """A design as JSON says it; of its values nothing is checked."""
        values = {str(name): given if isinstance(given, list) else [given] for name, given in written.items()}
        alone = frozenset(str(name) for name, given in written.items() if not isinstance(given, list))
        return cls(steps, values, alone, {name: _repeats(each) for name, each in values.items()})

    def fault(self, name: str, index: int, message: str) -> Fault:
        """A fault of one of the values."""
        steps: Steps = (*self.steps, name) if name in self.alone else (*self.steps, name, index)
        return fault_at(steps, message)


@dataclass(frozen=True, slots=True)
class Combination:
    """A combination by its number in its design, from 0, before any is excluded."""

    of: Lists
    number: int

    def fault(self, pointer: str, message: str) -> Fault:
        """A fault of the row that the combination becomes, at the place of what is wrong with it."""
        if pointer == _CUSTOM_ID:
            return self._again()
        name = pointer.removeprefix(_METADATA)
        if name in self.of.values:
            return self.of.fault(name, self._indices[name], message)
        return fault_at(self.of.steps, message)

    @property
    def _indices(self) -> Mapping[str, int]:
        indices, rest = {}, self.number
        for name, values in reversed([*self.of.values.items()]):
            rest, indices[name] = divmod(rest, len(values))
        return indices

    def _again(self) -> Fault:
        """Its id is made of what it says, so that an id occurs twice where a combination does."""
        for name, index in self._indices.items():
            if (first := self.of.repeats[name].get(index)) is not None:
                value = shown(self.of.values[name][index])
                return self.of.fault(
                    name, index, f"{value} stands at place {first} already; remove one of them."
                )
        return fault_at(self.of.steps, "It has combinations that an earlier design has, too; exclude them.")


def _repeats(values: Sequence[object]) -> Mapping[int, int]:
    """The indices of values that are there already, and where; null and "" are the same."""
    first: dict[str, int] = {}
    places = [
        first.setdefault(repr(None if value == "" else value), index) for index, value in enumerate(values)
    ]
    return {index: place for index, place in enumerate(places) if place != index}


def fault_at(steps: Steps, message: str) -> Fault:
    """A fault at the end of some steps into a query, as a path and as a JSON Pointer (RFC 6901)."""
    path = ""
    for step in steps:
        path = f"{path}[{step}]" if isinstance(step, int) else key_path(path, step)
    pointer = "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)
    return Fault(path, message, pointer=pointer)
