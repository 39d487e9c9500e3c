"""Holding work up for as long as a test wants: processes that stand still, chunks that nobody can claim."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import psycopg

from tests.system.chaos.stage import Stage


@contextmanager
def stopped(stage: Stage, *names: str) -> Iterator[None]:
    """These processes stand still in the block."""
    for name in names:
        stage.child(name).send(signal.SIGSTOP)
    try:
        yield
    finally:
        for name in names:
            stage.child(name).send(signal.SIGCONT)


class Held:
    """Chunks whose rows are locked: whoever claims passes them over."""

    def __init__(self, connection: psycopg.Connection, chunks: Sequence[int]) -> None:
        self._connection, self._left = connection, len(chunks)
        for number, chunk in enumerate(reversed(chunks), 1):
            connection.execute(f"SAVEPOINT held_{number}".encode())
            connection.execute("SELECT FROM chunks WHERE id = %s FOR UPDATE", [chunk])

    def release(self) -> None:
        """The first of those that are left can be claimed."""
        self._connection.execute(f"ROLLBACK TO SAVEPOINT held_{self._left}".encode())
        self._left -= 1


@contextmanager
def held(stage: Stage, jobs: Sequence[str], last: int | None = None) -> Iterator[Held]:
    """The chunks of these jobs, or the `last` ones of each, in the block; not one may be claimed yet."""
    statement = (
        "SELECT id FROM (SELECT id, position, row_number() OVER (PARTITION BY job_id ORDER BY position DESC) "
        "AS place FROM chunks WHERE job_id = ANY(%s::uuid[]) AND state = 'queued') AS of_jobs "
        "WHERE place <= coalesce(%s, place) ORDER BY position"
    )
    # Not as its own context manager: one that was cut off has nothing to commit.
    with closing(psycopg.connect(stage.database_url)) as connection:
        chunks = [chunk for (chunk,) in connection.execute(statement, [list(jobs), last])]
        assert len(chunks) >= len(jobs), "they were claimed before they could be held"
        yield Held(connection, chunks)
