"""A second set of books: triggers that write down every move of a job and a chunk, whoever makes it.

The product knows nothing of them. A move that is rolled back leaves no line.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import class_row

_INSTALL = """
CREATE TABLE storm_moves (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL, subject text NOT NULL, before text, after text NOT NULL,
    token bigint, attempts integer, owner text, at timestamptz NOT NULL
);
CREATE FUNCTION note_chunk() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO storm_moves (kind, subject, before, after, token, attempts, owner, at)
    VALUES ('chunk', NEW.id, OLD.state, NEW.state, NEW.token, NEW.attempts,
            coalesce(NEW.owner, OLD.owner), clock_timestamp());
    RETURN NULL;
END $$;
CREATE FUNCTION note_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO storm_moves (kind, subject, before, after, at)
    VALUES ('job', NEW.id, OLD.state, NEW.state, clock_timestamp());
    RETURN NULL;
END $$;
CREATE TRIGGER note_chunk AFTER UPDATE ON chunks FOR EACH ROW
    WHEN (OLD.state IS DISTINCT FROM NEW.state OR OLD.token IS DISTINCT FROM NEW.token)
    EXECUTE FUNCTION note_chunk();
CREATE TRIGGER note_job AFTER UPDATE OF state ON jobs FOR EACH ROW
    WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION note_job();
"""


@dataclass(frozen=True, slots=True)
class Move:
    """One change of state of a `kind` ("job" or "chunk"); `token`, `attempts` and `owner` of chunks only."""

    number: int
    kind: str
    subject: str
    before: str | None
    after: str
    token: int | None
    attempts: int | None
    owner: str | None
    at: datetime


def install(connection: Connection) -> None:
    """Begin the books, in a database that has its schema."""
    connection.execute(_INSTALL)


def moves(connection: Connection) -> list[Move]:
    """Everything that was written down, in order."""
    with connection.cursor(row_factory=class_row(Move)) as cursor:
        return cursor.execute("SELECT * FROM storm_moves ORDER BY number").fetchall()
