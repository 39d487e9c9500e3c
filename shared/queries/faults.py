"""Gathers every fault of a query, and shows a user's own values in messages safely. Knows no rule."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from difflib import get_close_matches

from shared.errors import Fault, QueryRejected

SHOWN = 60  # characters of a value that a message repeats


class Faults:
    """The faults found so far; beyond `most` they are only counted."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._listed: list[Fault] = []
        self._more = 0

    def add(self, path: str, message: str) -> None:
        """Note one fault."""
        if len(self._listed) < self._most:
            self._listed.append(Fault(path, message))
        else:
            self._more += 1

    def raise_any(self) -> None:
        """Raise QueryRejected with all of them, if there are any."""
        if self._more:
            self._listed.append(Fault("", f"There are {self._more:,} more faults like these."))
        if self._listed:
            raise QueryRejected(tuple(self._listed))


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
    by_folded = {_folded(name): name for name in names}
    near = get_close_matches(_folded(written[:SHOWN]), by_folded, n=1, cutoff=0.7)
    return by_folded[near[0]] if near else None


def meant(written: object, names: Iterable[str]) -> str:
    """`Did you mean "x"? `, where something is near; otherwise nothing."""
    near = closest(written, names)
    return f' Did you mean "{near}"?' if near else ""


def _folded(name: str) -> str:
    return re.sub(r"[\s_\-]+", " ", name).strip().casefold()
