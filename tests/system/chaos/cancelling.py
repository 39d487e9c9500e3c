"""How long a cancel took: from the customer's asking until nothing of the job was queued or running."""

from __future__ import annotations

from collections.abc import Iterator

from shared.jobs.states import JobState
from tests.system.chaos.books import Books
from tests.system.chaos.ledger import Wish


def cancel_seconds(books: Books) -> list[float]:
    """Of every job that was cancelled, whatever the way to the API was like then, the shortest first."""
    return sorted(_seconds(books))


def _seconds(books: Books) -> Iterator[float]:
    wished = books.ledger.wishes(Wish.CANCEL)
    owner = {str(chunk["id"]): job_id for job_id, chunks in books.chunks.items() for chunk in chunks}
    cancelled = {
        move.subject for move in books.moves if move.kind == "job" and move.after == JobState.CANCELLED
    }
    last = {}
    for move in books.moves:
        job_id = move.subject if move.kind == "job" else owner.get(move.subject)
        if job_id in cancelled and job_id in wished and move.after != JobState.EXPIRED:
            last[job_id] = (move.at - wished[job_id]).total_seconds()
    yield from last.values()
