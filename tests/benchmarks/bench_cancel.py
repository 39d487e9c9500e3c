"""How soon a query that runs is cancelled: answered, out of the queue, out of the worker.

`python -m tests.benchmarks.bench_cancel`: about two minutes. A machine as `genequeue up` makes it; queries of
`gem-1-bulk` that are cancelled while they run.
"""

from __future__ import annotations

import argparse
import random
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psycopg

from cli.machine.folder import DataFolder
from tests.benchmarks.report import Row, as_markdown, judged
from tests.benchmarks.samples import query_of
from tests.benchmarks.timing import quantile
from tests.support.machine import Machine

MODEL = "gem-1-bulk"
TIMES = 40
SAMPLES = 5_000
GOAL_SECONDS = 2.0
_FINAL = {"ready", "failed", "cancelled", "expired"}
_OPEN = "SELECT count(*) FROM chunks WHERE job_id = %s AND state IN ('queued', 'running')"
# The next batch of the worker, which is of another query, and what it had begun of the cancelled one.
_STOPPED = """
    SELECT extract(epoch FROM min(claimed_at) - (SELECT finished_at FROM jobs WHERE id = %(cancelled)s))
    FROM chunks WHERE job_id = %(next)s
"""
_BATCH = """
    SELECT extract(epoch FROM percentile_disc(0.5) WITHIN GROUP (ORDER BY took)) FROM (
        SELECT claimed_at - lag(claimed_at) OVER (PARTITION BY job_id ORDER BY claimed_at) AS took
        FROM (SELECT DISTINCT job_id, claimed_at FROM chunks WHERE claimed_at IS NOT NULL) AS batches
    ) AS steps
"""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """One query that was cancelled, in seconds from the cancel: answered, no chunk open, worker elsewhere."""

    answered: float
    emptied: float
    stopped: float


def main(times: int = TIMES) -> None:
    """Print the table."""
    print(as_markdown(measure(times)))


def measure(times: int = TIMES) -> list[Row]:
    """Every row of this benchmark."""
    with TemporaryDirectory(prefix="genequeue-bench-") as name:
        Path(name).chmod(0o711)  # Where we are root, Postgres is another user.
        with Machine(Path(name, "data")) as machine:
            url = DataFolder(machine.data_dir).read_state().database_url
            headers = {"Authorization": f"Bearer {machine.key}"}
            with (
                httpx.Client(base_url=machine.url, headers=headers, timeout=60) as http,
                psycopg.connect(url, autocommit=True) as database,
            ):
                chance = random.Random(1)
                done = [_cancel(http, database, chance, seed) for seed in range(times)]
                ((batch,),) = database.execute(_BATCH).fetchall()
    return _rows(done, float(batch))


def _cancel(http: httpx.Client, database: psycopg.Connection, chance: random.Random, seed: int) -> Cancelled:
    """Cancel a query at some time after its first samples."""
    job_id = _submit(http, SAMPLES, seed)
    while not http.get(f"/api/model-queries/{job_id}").json()["progress"]["samples_done"]:
        time.sleep(0.02)
    time.sleep(chance.uniform(0, 0.5))
    began = time.perf_counter()
    answer = http.post(f"/api/model-queries/{job_id}/cancel").json()
    answered = time.perf_counter() - began
    assert answer["status"] == "cancelled", f"it was over before it was cancelled: {answer['status']}"
    while database.execute(_OPEN, (job_id,)).fetchone() != (0,):
        time.sleep(0.005)
    emptied = time.perf_counter() - began
    following = _submit(http, 1, seed)
    while http.get(f"/api/model-queries/{following}").json()["status"] not in _FINAL:
        time.sleep(0.02)
    ((stopped,),) = database.execute(_STOPPED, {"cancelled": job_id, "next": following}).fetchall()
    return Cancelled(answered, emptied, float(stopped))


def _submit(http: httpx.Client, samples: int, seed: int) -> str:
    query = query_of(samples, "sample generation", seed)
    answer = http.post(f"/api/models/{MODEL}/predict", json=query)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["modelQueryId"])


def _rows(done: list[Cancelled], batch: float) -> list[Row]:
    goal = max(GOAL_SECONDS, batch)
    ways = {
        "POST cancel is answered": [one.answered for one in done],
        "nothing of it is queued or running": [one.emptied for one in done],
        "the worker claims another query's samples": [one.stopped for one in done],
    }
    rows = [Row("one batch of the worker, p50", f"{batch:.2f} s")]
    for name, seconds in ways.items():
        worst = quantile(seconds, 0.99)
        figures = f"p50 {1e3 * quantile(seconds, 0.5):.0f} ms, p99 {1e3 * worst:.0f} ms, {len(seconds)} times"
        rows.append(Row(name, figures, judged(f"goal {goal:.1f} s", worst <= goal)))
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=TIMES, help="queries that are cancelled")
    main(parser.parse_args().times)
