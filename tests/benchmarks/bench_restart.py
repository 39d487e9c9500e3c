"""200 clients that poll while two API processes are restarted one after the other, by `genequeue restart`.

`python -m tests.benchmarks.bench_restart`: about two minutes. A connection for each question and no second
try, as the public clients ask.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import requests

from tests.benchmarks.report import Row, as_markdown, judged
from tests.benchmarks.samples import query_of
from tests.benchmarks.timing import quantile
from tests.support.machine import Machine

CLIENTS = 200
RESTARTS = 3
MODEL = "gem-1-bulk"
POLL_SECONDS = 2.0
PROCESSES = ("--api-processes", "2")


class Pollers:
    """Clients that ask how a query stands, each every two seconds, until it is over for them."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self._url, self._headers = url, headers
        self.over = threading.Event()
        self.seconds: list[float] = []

    def poll(self) -> Counter[str]:
        """What one client met: statuses, and errors of its connections."""
        met: Counter[str] = Counter()
        while not self.over.wait(POLL_SECONDS):
            began = time.perf_counter()
            try:
                answer = requests.get(self._url, headers=self._headers, timeout=30)
                met[str(answer.status_code)] += 1
            except requests.RequestException as error:
                met[repr(error)] += 1
            self.seconds.append(time.perf_counter() - began)
        return met


def main(restarts: int = RESTARTS) -> None:
    """Print the table."""
    print(as_markdown(measure(restarts)))


def measure(restarts: int = RESTARTS) -> list[Row]:
    """Every row of this benchmark."""
    with TemporaryDirectory(prefix="genequeue-bench-") as name:
        Path(name).chmod(0o711)  # Where we are root, Postgres is another user.
        with Machine(Path(name, "data"), options=PROCESSES) as machine:
            headers = {"Authorization": f"Bearer {machine.key}"}
            pollers = Pollers(_status_of_a_query(machine, headers), headers)
            with ThreadPoolExecutor(CLIENTS) as pool:
                asking = [pool.submit(pollers.poll) for _ in range(CLIENTS)]
                took = [_restart(machine) for _ in range(restarts)]
                pollers.over.set()
                met = sum((one.result() for one in asking), Counter())
    return _rows(met, took, pollers.seconds)


def _status_of_a_query(machine: Machine, headers: dict[str, str]) -> str:
    path = f"{machine.url}/api/models/{MODEL}/predict"
    answer = httpx.post(path, json=query_of(1, "mean estimation", 1), headers=headers)
    assert answer.status_code == 202, answer.text
    return f"{machine.url}/api/model-queries/{answer.json()['modelQueryId']}/status"


def _restart(machine: Machine) -> float:
    time.sleep(POLL_SECONDS)
    began, before = time.monotonic(), machine.processes
    machine.command("restart")
    took = time.monotonic() - began
    kept = [name for name, pid in machine.processes.items() if name.startswith("api") and before[name] == pid]
    assert not kept, f"{kept} were not restarted"
    return took


def _rows(met: Counter[str], took: list[float], seconds: list[float]) -> list[Row]:
    errors = met.total() - met["200"]
    figures = f"{errors} errors in {met.total():,} answers"
    told = judged("goal 0 errors", errors == 0)
    if errors:
        told += f" ({', '.join(f'{count} x {what}' for what, count in met.items() if what != '200')})"
    waits = f"p50 {1e3 * quantile(seconds, 0.5):.0f} ms, p99 {1e3 * quantile(seconds, 0.99):.0f} ms"
    return [
        Row(
            f"{CLIENTS} clients poll through {len(took)} rolling restarts of two API processes", figures, told
        ),
        Row("the same: how long an answer took", f"{waits}, longest {max(seconds):.1f} s"),
        Row("one `genequeue restart`, workers included", f"{max(took):.1f} s at most"),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--restarts", type=int, default=RESTARTS, help="how often everything is restarted")
    main(parser.parse_args().restarts)
