"""Reads single values: whole numbers, switches, quantities, texts. Raises InvalidInput, with the rule."""

from __future__ import annotations

import math
import re

from shared.errors import InvalidInput
from shared.queries.faults import listed, meant, shown

OLDEST = 150
MOST_CHOICES = 12  # a longer list is spelled out only where nothing is near
_NUMBER = r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?|\.[0-9]+"
_UNIT = r"[^\W\d_][^\s\x00-\x1f]{0,31}|%"
_QUANTITY = re.compile(f"({_NUMBER}) ({_UNIT})")
_NEARLY_QUANTITY = re.compile(rf"({_NUMBER})\s*({_UNIT})")
_UNSPEAKABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_STUDY = re.compile(r"PRJ[DEN][A-Z][0-9]{1,12}")


def whole_number(value: object, lowest: int, highest: int) -> int:
    """An integer in a range; 10.0 and 5e6 are integers too, true and "10" are not."""
    number = int(value) if isinstance(value, float) and value.is_integer() else value
    if isinstance(number, int) and not isinstance(value, bool) and lowest <= number <= highest:
        return number
    raise InvalidInput(f"{shown(value)} is not a whole number from {lowest:,} to {highest:,}.")


def switch(value: object) -> bool:
    """True or false, as such."""
    if isinstance(value, bool):
        return value
    raise InvalidInput(f"{shown(value)} is neither true nor false.")


def text(value: object, longest: int) -> str:
    """A text without control characters, trimmed."""
    if not isinstance(value, str):
        raise InvalidInput(f"{shown(value)} is not a text; put it in quotes.")
    if len(value) > longest:
        raise InvalidInput(f"A text of {len(value):,} characters is too long; at most {longest:,} are kept.")
    if _UNSPEAKABLE.search(value):
        raise InvalidInput(f"{shown(value)} holds control characters; remove them.")
    return value.strip()


def choice(value: object, values: tuple[str, ...], *, any_case: bool = False) -> str:
    """One of a closed list of values, in its own spelling."""
    written = value.strip() if isinstance(value, str) else value
    if isinstance(written, str):
        if written in values:
            return written
        same = [each for each in values if each.casefold() == written.casefold()] if any_case else []
        if same:
            return same[0]
    near = meant(value, values)
    if near and len(values) > MOST_CHOICES:
        raise InvalidInput(f"{shown(value)} is not a permitted value.{near}")
    raise InvalidInput(f"{shown(value)} is not one of {listed(values)}.{near}")


def some_of(value: object, values: tuple[str, ...]) -> tuple[str, ...]:
    """One or more of a closed list, in its order; a lone text is a list of one, as R writes it."""
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names:
        said = "An empty list" if names == [] else shown(names)
        raise InvalidInput(f"{said} is sent: it must be a list of one or more of {listed(values)}.")
    chosen = {choice(name, values) for name in names}
    return tuple(name for name in values if name in chosen)


def age(value: object) -> str:
    """A number of years, written as briefly as it can be: 30.0 is "30"."""
    number = _number(value) if isinstance(value, str) else value
    if isinstance(number, int | float) and not isinstance(number, bool) and 0 <= number <= OLDEST:
        return brief(float(number))
    raise InvalidInput(f"{shown(value)} is not a number of years from 0 to {OLDEST}, such as 30.")


def quantity(value: object, example: str) -> str:
    """A finite number of 0 or more, one space, a unit."""
    rule = f'Write a number of 0 or more, one space and a unit, such as "{example}".'
    written = value.strip() if isinstance(value, str) else ""
    if found := _QUANTITY.fullmatch(written):
        number = float(found[1])
        if math.isfinite(number):
            return f"{brief(number)} {found[2]}"
    nearly = _NEARLY_QUANTITY.fullmatch(written)
    hint = f' Did you mean "{nearly[1]} {nearly[2]}"?' if nearly and not found else ""
    raise InvalidInput(f"{shown(value)} is not a quantity. {rule}{hint}")


def study(value: object) -> str:
    """A BioProject id."""
    written = value.strip() if isinstance(value, str) else ""
    if _STUDY.fullmatch(written):
        return written
    raised = written.upper()
    hint = f' Did you mean "{raised}"?' if _STUDY.fullmatch(raised) else ""
    raise InvalidInput(f"{shown(value)} is not a BioProject id, such as PRJEB18997 or PRJNA229998.{hint}")


def brief(number: float) -> str:
    """A number without a needless fraction."""
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)


def _number(written: str) -> float | None:
    return float(written) if re.fullmatch(_NUMBER, written.strip()) else None
