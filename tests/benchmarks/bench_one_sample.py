"""One sample, from its submit until its client knows that it is there, by each way of waiting.

`python -m tests.benchmarks.bench_one_sample`: about a minute. One client with one open connection, everything
warm; the stations on the way are those of the rows and of the processes' logs.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from shared.catalog import Catalog
from shared.settings import MODELS_OF_THIS_CHECKOUT
from tests.benchmarks.report import Row, as_markdown, judged
from tests.benchmarks.samples import batch_of, query_of
from tests.benchmarks.timing import milliseconds, quantile
from tests.support.machine import Machine
from worker.inference.devices import choose_device
from worker.inference.engine import Engine

MODEL = "gem-1-bulk"
TIMES = 100
GOAL_MILLISECONDS = 25
_FINAL = {"ready", "failed", "cancelled", "expired"}


def main(times: int = TIMES) -> None:
    """Print the table."""
    print(as_markdown(measure(times)))


def measure(times: int = TIMES) -> list[Row]:
    """Every row of this benchmark."""
    engine = Engine.open(Catalog.open(MODELS_OF_THIS_CHECKOUT).get(MODEL), choose_device(None))
    alone = milliseconds(lambda seed: engine.generate(batch_of(1, seed, generation=False)), times)
    rows = [Row("straight into the engine", _figures(alone))]
    with _customer() as (machine, customer):
        for name, way in customer.ways.items():
            taken = milliseconds(way, times)
            more = quantile(taken, 0.5) - quantile(alone, 0.5)
            told = f"p50 {more:.0f} ms beyond the engine's, goal {GOAL_MILLISECONDS}"
            rows.append(Row(name, _figures(taken), judged(told, more <= GOAL_MILLISECONDS)))
        rows += _stations(machine, customer)
    return rows


@contextmanager
def _customer() -> Iterator[tuple[Machine, _Customer]]:
    with TemporaryDirectory(prefix="genequeue-bench-") as name:
        Path(name).chmod(0o711)  # Where we are root, Postgres is another user.
        with Machine(Path(name, "data")) as machine:
            headers = {"Authorization": f"Bearer {machine.key}"}
            with httpx.Client(base_url=machine.url, headers=headers, timeout=60) as http:
                yield machine, _Customer(http)


class _Customer:
    """Submits a query of one sample and waits for it, one way or another."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self.ways: dict[str, Callable[[int], object]] = {
            "the submit waits (Prefer: wait)": self._prefer,
            "long poll (?wait=30 with ETag)": self._long_poll,
            "server-sent events": self._events,
            "status polled every 5 ms": self._poll,
        }

    def submit(self, seed: int, **headers: str) -> httpx.Response:
        """The answer to a query of one sample."""
        query = query_of(1, "mean estimation", seed)
        answer = self._http.post(f"/api/models/{MODEL}/predict", json=query, headers=headers)
        assert answer.is_success, answer.text
        return answer

    def state(self, job_id: str) -> dict[str, Any]:
        """Everything public about a job."""
        found: dict[str, Any] = self._http.get(f"/api/model-queries/{job_id}").json()
        return found

    def _prefer(self, seed: int) -> None:
        answer = self.submit(seed, Prefer="wait=30")
        assert answer.status_code == 200, answer.text

    def _long_poll(self, seed: int) -> None:
        path, known = f"/api/model-queries/{self._id(seed)}", {}
        while True:
            answer = self._http.get(path, params={"wait": 30}, headers=known)
            if answer.status_code == 200 and answer.json()["status"] in _FINAL:
                return
            known = {"If-None-Match": answer.headers["ETag"]}

    def _events(self, seed: int) -> None:
        with self._http.stream("GET", f"/api/model-queries/{self._id(seed)}/events") as answer:
            for line in answer.iter_lines():
                if line == "event: ready":
                    return

    def _poll(self, seed: int) -> None:
        path = f"/api/model-queries/{self._id(seed)}/status"
        while self._http.get(path).json()["status"] not in _FINAL:
            time.sleep(0.005)

    def _id(self, seed: int) -> str:
        return str(self.submit(seed).json()["modelQueryId"])


def _stations(machine: Machine, customer: _Customer, times: int = 40) -> list[Row]:
    """Where the time goes: milliseconds since the job's row, of jobs that nobody waits for."""
    jobs = {}
    for seed in range(times):
        job_id = str(customer.submit(seed).json()["modelQueryId"])
        while not (state := customer.state(job_id))["finished_at"]:
            time.sleep(0.25)
        jobs[job_id] = state
    passed: dict[str, list[float]] = defaultdict(list)
    for line in (*machine.lines("api"), *machine.lines("generation")):
        job = jobs.get(line.get("job", ""))
        if (
            job
            and line["event"] in {"request", "batch.claimed", "chunk.done"}
            and line.get("method") != "GET"
        ):
            passed[line["event"]].append(_since(job["created_at"], line["timestamp"]))
    passed["finished_at"] = [_since(job["created_at"], job["finished_at"]) for job in jobs.values()]
    names = {
        "request": "station: the submit is answered",
        "batch.claimed": "station: claimed",
        "finished_at": "station: ready, not yet committed",
        "chunk.done": "station: committed",
    }
    return [Row(name, _figures(passed[event]), "since the job's row") for event, name in names.items()]


def _since(began: str, at: str) -> float:
    return 1e3 * (datetime.fromisoformat(at) - datetime.fromisoformat(began)).total_seconds()


def _figures(values: list[float]) -> str:
    return f"p50 {quantile(values, 0.5):.0f} ms, p99 {quantile(values, 0.99):.0f} ms"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=TIMES, help="queries for each way of waiting")
    main(parser.parse_args().times)
