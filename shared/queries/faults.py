"""Gathers every fault of a query, and shows a user's own values in messages safely. Knows no rule."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from difflib import get_close_matches

from shared.errors import Fault, QueryRejected

SHOWN = 60  # characters of a value that a message repeats


class Faults:
    """The faults found so far. Once there are `most` of them nobody needs to look for more."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._found: list[Fault] = []

    @property
    def enough(self) -> bool:
        """Whether the list is full."""
        return len(self._found) >= self._most

    def add(self, path: str, message: str, pointer: str | None = None) -> None:
        """Note one fault, while there is room for it."""
        if not self.enough:
            self._found.append(Fault(path, message, pointer=pointer))

    def raise_any(self) -> None:
        """Raise QueryRejected with all of them, if there are any; a full list says that it is one."""
        if self.enough:
            self._found.append(
                Fault("", f"Only the first {self._most:,} faults are listed; what follows was not read.")
            )
        if self._found:
            raise QueryRejected(tuple(self._found))


def shown(value: object) -> str:
    """A value as a message may repeat it: short, printable, whatever it is."""
    match value:
        case str():
            return repr(value if len(value) <= SHOWN else value[:SHOWN] + "...")
        case None | bool():
            return {None: "null", True: "true", False: "false"}[value]
        case int():
            return str(value) if abs(value) < 10**30 else "a number of more than 30 digits"
        case float():
            return repr(value) if math.isfinite(value) else "a number that is not finite"
        case list():
            return "a list"
        case _:
            return "an object"


def key_path(parent: str, key: object) -> str:
    """The path of a key that a user wrote, below `parent`; odd keys are quoted."""
    name = key if isinstance(key, str) and re.fullmatch(r"[A-Za-z0-9_.\-]{1,60}", key) else f"[{shown(key)}]"
    return f"{parent}.{name}" if parent else str(name)


def listed(values: Iterable[str]) -> str:
    """Values as one quoted list: `"a", "b"`."""
    return ", ".join(f'"{value}"' for value in values)


def closest(written: object, names: Iterable[str]) -> str | None:
    """The name that was probably meant; None where nothing is near."""
    if not isinstance(written, str):
        return None
    by_folded = {spelling: name for name in names for spelling in (_folded(name), _stem(name))}
    near = get_close_matches(_folded(written[:SHOWN]), by_folded, n=1, cutoff=0.7)
    return by_folded[near[0]] if near else None


def meant(written: object, names: Iterable[str]) -> str:
    """`Did you mean "x"? `, where something is near; otherwise nothing."""
    near = closest(written, names)
    return f' Did you mean "{near}"?' if near else ""


def _stem(name: str) -> str:
    return _folded(name.removesuffix("_ontology_id").removesuffix("_years"))


def _folded(name: str) -> str:
    return re.sub(r"[\s_\-]+", " ", name).strip().casefold()
