"""Claims a second, and how long one takes where a million chunks are done and 100,000 wait.

`python -m tests.benchmarks.bench_claims`: about a minute and a half, most of it to fill the tables. Beside
them, in the same tables, a bare `UPDATE ... RETURNING` of one row with a transaction of its own.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import timedelta
from itertools import count

from sqlalchemy import Engine, text

from shared.database.engines import sync_engine, transaction
from tests.benchmarks.front import running_servers
from tests.benchmarks.report import Row, as_markdown
from tests.benchmarks.timing import milliseconds, quantile
from worker.generation.claim import Claimant, claim

MODEL, VERSION = "gem-1-bulk", 2
DONE, QUEUED = 1_000_000, 100_000
CHUNKS_OF_JOB, SAMPLES_OF_CHUNK, WORKSPACES = 100, 8, 5
BATCH = 64
TIMES = 300

_WORKSPACES = "INSERT INTO workspaces (name) SELECT 'lab-' || n FROM generate_series(1, :workspaces) n"
_JOBS = """
    INSERT INTO jobs (id, workspace_id, model_id, model_version, weights_digest, state, sampling_strategy,
        total_count, deterministic_latents, seed, samples_total, samples_done, chunks_total, chunks_open,
        manifest_key, events, started_at, finished_at, expires_at)
    SELECT gen_random_uuid(), 1 + n % :workspaces, :model, :version, repeat('0', 64), :job_state,
        'mean estimation', 10000000, false, n, :samples, :samples * :done, :chunks, :chunks * (1 - :done),
        :key, 1, now(), CASE WHEN :done = 1 THEN now() END, now() + interval '1 day'
    FROM generate_series(1, :jobs) n
"""
_INPUTS = """
    INSERT INTO job_inputs (job_id, position, first_sample, num_samples, metadata, placements)
    SELECT id, 0, 0, samples_total, '{"tissue_ontology_id": "UBERON:0002107"}', '{"tissue_ontology_id":
        {"coverage": "exact", "terms": ["UBERON:0002107"], "distance": 0}}'
    FROM jobs WHERE state = :job_state
"""
_CHUNKS = """
    INSERT INTO chunks (job_id, workspace_id, model_id, model_version, position, first_sample, num_samples,
        state, attempts, token, finished_at, samples_stored, part_key)
    SELECT id, workspace_id, model_id, model_version, n, n * :size, :size, :chunk_state, :done,
        CASE WHEN :done = 1 THEN nextval('lease_tokens') END, CASE WHEN :done = 1 THEN now() END,
        CASE WHEN :done = 1 THEN :size END, :key
    FROM jobs, generate_series(0, :chunks - 1) n WHERE state = :job_state
"""
_FINISH = """
    UPDATE chunks SET state = 'done', part_key = 'key', owner = NULL, lease_expires_at = NULL
    WHERE state = 'running'
"""


def main(done: int = DONE, queued: int = QUEUED) -> None:
    """Print the table."""
    print(as_markdown(measure(done, queued)))


def measure(done: int = DONE, queued: int = QUEUED) -> list[Row]:
    """Every row of this benchmark: with few finished chunks first, then with all of them."""
    with running_servers() as servers:
        engine = sync_engine(servers.places.database_url)
        try:
            with transaction(engine) as session:
                session.execute(text(_WORKSPACES), {"workspaces": WORKSPACES})
            _fill(engine, queued, ended=False)
            few = _measure(engine, f"{queued:,} queued chunks, none done")
            _fill(engine, done, ended=True)
            return [*few, *_measure(engine, f"{queued:,} queued chunks, {done:,} done")]
        finally:
            engine.dispose()


def _fill(engine: Engine, chunks: int, *, ended: bool) -> None:
    """Jobs of a hundred chunks each, all done or all queued, in turns of five workspaces."""
    values = {
        "model": MODEL,
        "version": VERSION,
        "workspaces": WORKSPACES,
        "jobs": chunks // CHUNKS_OF_JOB,
        "chunks": CHUNKS_OF_JOB,
        "size": SAMPLES_OF_CHUNK,
        "samples": CHUNKS_OF_JOB * SAMPLES_OF_CHUNK,
        "done": int(ended),
        "job_state": "ready" if ended else "queued",
        "chunk_state": "done" if ended else "queued",
        "key": "key" if ended else None,
    }
    # Filling takes longer than any statement of the product may.
    with transaction(engine) as session:
        session.execute(text("SET LOCAL statement_timeout = 0"))
        for statement in (_JOBS, _INPUTS, _CHUNKS):
            session.execute(text(statement), values)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE"))


def _measure(engine: Engine, where: str) -> list[Row]:
    """One chunk at a time, a whole batch at a time, and the bare update."""
    ones, batches = (
        Claimant("bench", lambda: {MODEL: {VERSION}}, timedelta(minutes=10), SAMPLES_OF_CHUNK * size)
        for size in (1, BATCH)
    )
    claimed = milliseconds(lambda _: _claim(engine, ones, 1), TIMES, lambda: _finish(engine))
    whole = milliseconds(lambda _: _claim(engine, batches, BATCH), TIMES // 3, lambda: _finish(engine))
    bare = milliseconds(_bare(engine), TIMES)
    ratio = quantile(claimed, 0.5) / quantile(bare, 0.5)
    return [
        Row(f"bare update of one row, {where}", _figures(bare, 1)),
        Row(f"claim of one chunk, {where}", _figures(claimed, 1), f"{ratio:.1f} x the bare update"),
        Row(f"claim of {BATCH} chunks of {BATCH} jobs, {where}", _figures(whole, BATCH)),
    ]


def _claim(engine: Engine, claimant: Claimant, chunks: int) -> None:
    assert len(claim(engine, claimant)) == chunks


def _finish(engine: Engine) -> None:
    """What was claimed is done: a worker holds a batch or two, not thousands of chunks."""
    with transaction(engine) as session:
        session.execute(text(_FINISH))


def _bare(engine: Engine) -> Callable[[int], None]:
    numbers = count(1)

    def update(_: int) -> None:
        with transaction(engine) as session:
            statement = text("UPDATE chunks SET error = 'x' WHERE id = :id RETURNING id")
            session.execute(statement, {"id": next(numbers)}).one()

    return update


def _figures(values: list[float], chunks: int) -> str:
    rate = 1e3 * len(values) * chunks / sum(values)
    return f"p50 {quantile(values, 0.5):.1f} ms, p99 {quantile(values, 0.99):.1f} ms, {rate:,.0f} chunks/s"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--done", type=int, default=DONE, help="finished chunks")
    parser.add_argument("--queued", type=int, default=QUEUED, help="chunks that wait")
    asked = parser.parse_args()
    main(asked.done, asked.queued)
