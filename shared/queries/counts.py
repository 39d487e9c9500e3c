"""Reads a count vector from JSON: all numbers at once, and one by one only where a fault is to be named."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.errors import InvalidInput
from shared.queries.faults import shown
from shared.queries.rules import ModelRules
from shared.queries.spec import Counts

RAW = "Send the raw counts of one sample: not normalised, not logged."


def read_counts(value: object, rules: ModelRules) -> Counts:
    """The counts of one sample, int32 [G]. A lone number is a list of one, as R writes it; 10.0 is a count.
    A file that holds numbers as such gives an array.

    Raises InvalidInput, naming the first number that is no count, or what else makes this no sample.
    """
    numbers = [value] if isinstance(value, int | float) else value
    if numbers is None or not isinstance(numbers, list | np.ndarray):
        said = "counts are required" if numbers is None else f"{shown(numbers)} is sent"
        asked = (
            f" For samples that metadata alone describe, query {rules.model_id}." if numbers is None else ""
        )
        raise InvalidInput(f"{said}: {_wanted(rules)}{asked}")
    if len(numbers) != rules.num_genes:
        raise InvalidInput(f"{len(numbers):,} counts are sent: {_wanted(rules)}")
    most = rules.limits.total_count
    counts = _at_once(numbers, most)
    if counts is None:
        numbers = numbers if isinstance(numbers, list) else numbers.tolist()
        place = next(place for place, number in enumerate(numbers) if not _is_count(number, most))
        raise InvalidInput(
            f"{shown(numbers[place])} at place {place:,} (the first is 0) is not a whole number from 0 to "
            f"{most:,}. {RAW}"
        )
    total = int(counts.sum())
    if not 0 < total <= most:
        said = "Every count is 0" if total == 0 else f"The counts add up to {total:,}, over {most:,}"
        raise InvalidInput(f"{said}. {RAW}")
    return counts.astype(np.int32)


def _at_once(numbers: list[object] | NDArray[np.generic], most: int) -> NDArray[np.int64] | None:
    """All the numbers, if each of them is a count; None otherwise."""
    if isinstance(numbers, list) and not set(map(type, numbers)) <= {int, float}:  # nor true and false
        return None
    try:
        given = np.array(numbers)
    except OverflowError:
        return None
    if given.dtype.kind not in "iuf" or not ((given >= 0) & (given <= most)).all():
        return None
    counts = given.astype(np.int64)
    return counts if (counts == given).all() else None


def _is_count(number: object, most: int) -> bool:
    if isinstance(number, bool) or not isinstance(number, int | float):
        return False
    return 0 <= number <= most and number == int(number)


def _wanted(rules: ModelRules) -> str:
    return (
        f"it must be a list of {rules.num_genes:,} counts, one for each gene of the model, in the order of "
        f"GET /api/models/{rules.public_id}/genes."
    )
