"""Finds the guilty inputs of a chunk that cannot be computed, by halves: its other inputs are delivered."""

from __future__ import annotations

from collections.abc import Callable

from shared.errors import DeviceLost, Unavailable
from worker.generation.work import Work

Compute = Callable[[Work], object]


def guilty_inputs(work: Work, error: Exception, compute: Compute) -> dict[int, Exception]:
    """What went wrong with each input, by its place in the job, of work that failed as a whole.

    Each guilty input costs as many steps as there are halvings; the streams belong to the samples, so what
    is computed without its neighbours is what it would have been. Where both halves alone succeed, all are
    guilty together if they fail together again, else none is. Raises Unavailable when a server went away,
    and DeviceLost.
    """
    if len(work.inputs) == 1:
        return dict.fromkeys(work.inputs, error)
    middle = len(work.inputs) // 2
    found: dict[int, Exception] = {}
    for half in (work.only(work.inputs[:middle]), work.only(work.inputs[middle:])):
        reason = _failure(half, compute)
        if reason is not None:
            found |= guilty_inputs(half, reason, compute)
    if not found and (reason := _failure(work, compute)):
        found = dict.fromkeys(work.inputs, reason)
    return found


def _failure(work: Work, compute: Compute) -> Exception | None:
    """Why the work cannot be computed; None if it can."""
    try:
        compute(work)
    except (Unavailable, DeviceLost):
        raise
    except Exception as reason:  # noqa: BLE001 - whatever a model does with an input is the input's failure
        return reason
    return None
