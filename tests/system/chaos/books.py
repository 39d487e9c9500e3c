"""Everything that a storm left behind, read once: rows, moves, objects. The invariants read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg.rows import dict_row

from tests.system.chaos import audit
from tests.system.chaos.answers import Answer
from tests.system.chaos.audit import Move
from tests.system.chaos.ledger import Ledger
from tests.system.chaos.stage import Stage

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Books:
    """`chunks` and `events` by job id, in order; `objects` are sizes in bytes, by key.

    `inputs` counts the rows of a job's inputs, `keys` says which job an idempotency key stands for.
    """

    ledger: Ledger
    answers: Mapping[str, Answer]
    jobs: Mapping[str, Row]
    chunks: Mapping[str, Sequence[Row]]
    events: Mapping[str, Sequence[Row]]
    inputs: Mapping[str, int]
    keys: Mapping[str, str]
    moves: Sequence[Move]
    objects: Mapping[str, int]
    root: Path

    def content(self, key: str) -> bytes | None:
        """An object, or None."""
        path = self.root / key
        return path.read_bytes() if path.is_file() else None


def read_books(stage: Stage, ledger: Ledger, answers: Mapping[str, Answer]) -> Books:
    """The books of a stage that is calm."""
    with stage.database() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        jobs = cursor.execute("SELECT * FROM jobs").fetchall()
        chunks = cursor.execute("SELECT * FROM chunks ORDER BY job_id, first_sample").fetchall()
        events = cursor.execute("SELECT * FROM events ORDER BY job_id, number").fetchall()
        inputs = connection.execute("SELECT job_id, count(*) FROM job_inputs GROUP BY job_id").fetchall()
        keys = connection.execute("SELECT key, job_id FROM idempotency_keys").fetchall()
        moves = audit.moves(connection)
    root = stage.disk.objects
    return Books(
        ledger=ledger,
        answers=answers,
        jobs={str(row["id"]): row for row in jobs},
        chunks=_by_job(chunks),
        events=_by_job(events),
        inputs={str(job_id): count for job_id, count in inputs},
        keys={key: str(job_id) for key, job_id in keys},
        moves=moves,
        objects={
            str(path.relative_to(root)): path.stat().st_size for path in root.rglob("*") if path.is_file()
        },
        root=root,
    )


def _by_job(rows: Sequence[Row]) -> dict[str, list[Row]]:
    grouped: dict[str, list[Row]] = {}
    for row in rows:
        grouped.setdefault(str(row["job_id"]), []).append(row)
    return grouped
