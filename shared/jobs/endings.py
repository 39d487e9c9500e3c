"""The sentence about a job that ended without a result that can be read."""

from __future__ import annotations

from shared.jobs.states import JobState


def why_ended(state: str, error: str | None, *, deleted: bool) -> str | None:
    """Why it has no result; None of a job that has one, or may yet have. `error` is what its row says."""
    match JobState(state):
        case JobState.CANCELLED:
            return "It was cancelled."
        case JobState.EXPIRED if deleted:
            return "It was deleted at its owner's wish, with its inputs."
        case JobState.EXPIRED:
            return "Its result was kept until its time was over, then deleted. Submit the query again."
        case JobState.FAILED:
            return error or "It failed without a reason."
    return None
