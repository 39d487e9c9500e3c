"""Times of repeated calls, and quantiles of them. Knows nothing of what is called."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

WARM_UP = 5


def milliseconds(
    call: Callable[[int], object], times: int, between: Callable[[], object] = lambda: None
) -> list[float]:
    """How long each of `times` calls took, after a few that do not count; a call is told its number.

    What is done `between` two calls does not count either.
    """
    taken = []
    for number in range(WARM_UP + times):
        began = time.perf_counter()
        call(number)
        taken.append(1e3 * (time.perf_counter() - began))
        between()
    return taken[WARM_UP:]


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that at least that share of them do not exceed; nan of none."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else float("nan")
