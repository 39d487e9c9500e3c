"""A thousand queries of one sample from 32 clients, beside what keeps nothing: LitServe, and FastAPI alone.

`python -m tests.benchmarks.bench_peers`: one server after the other, each alone, with the same engine, the
same check of the query, the same JSON. A minute or two.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import orjson

from cli.machine.ports import free_ports
from cli.machine.process import Child, Program, wait_until_ready
from shared.jobs.states import FINAL_JOB_STATES
from tests.benchmarks.crowd import Answer, Caller, Errand, Letter, Tally, run
from tests.benchmarks.peers import HOST, MODEL, SERVERS
from tests.benchmarks.report import Row, as_markdown, judged
from tests.benchmarks.samples import query_of
from tests.benchmarks.timing import quantile
from tests.support.machine import Machine, clean_environment

QUERIES, CLIENTS = 1_000, 32
GOAL = 1.0  # of LitServe's rate
_BODY = orjson.dumps(query_of(1, "mean estimation", 1))
_PATIENCE = timedelta(minutes=1)
_NAMES = {
    "litserve": "LitServe, batches, nothing kept",
    "fastapi": "FastAPI alone, one at a time, nothing kept",
}


def main(queries: int = QUERIES, clients: int = CLIENTS) -> None:
    """Print the table."""
    print(as_markdown(measure(queries, clients)))


def measure(queries: int = QUERIES, clients: int = CLIENTS) -> list[Row]:
    """Every row of this benchmark."""
    with TemporaryDirectory(prefix="genequeue-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # Where we are root, Postgres is another user.
        theirs = {name: _of_peer(name, folder, queries, clients) for name in SERVERS}
        with Machine(folder / "data") as machine:
            ours = {
                way: _asked(errand, machine.url, queries, clients) for way, errand in _ways(machine).items()
            }
    goal = theirs["litserve"].rate
    rows = [Row(f"{_NAMES[name]}, {clients} clients", _figures(tally)) for name, tally in theirs.items()]
    for way, tally in ours.items():
        share = tally.rate / goal
        beside = judged(f"{share:.2f} of LitServe's rate, goal {GOAL:.0f}", share >= GOAL)
        rows.append(Row(f"GeneQueue, {way}", _figures(tally), beside))
    return rows


def _of_peer(name: str, folder: Path, queries: int, clients: int) -> Tally:
    with _running(name, folder) as url:
        letter = Letter.post(f"{url}/predict", {}, _BODY)

        async def errand(caller: Caller) -> int:
            return (await caller.ask(letter)).status

        return _asked(errand, url, queries, clients)


@contextmanager
def _running(name: str, folder: Path) -> Iterator[str]:
    """A peer in a process of its own."""
    (port,) = free_ports(1)
    command = (sys.executable, "-m", "tests.benchmarks.peers", name, str(port))
    url = f"http://{HOST}:{port}"
    child = Child(
        Program(*(name, command, folder / f"{name}.log", clean_environment({})), orphan_signal=signal.SIGTERM)
    )
    try:
        wait_until_ready(child, lambda: _is_ready(url), _PATIENCE)
        yield url
    finally:
        child.stop()


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=2).is_success
    except httpx.HTTPError:
        return False


def _ways(machine: Machine) -> dict[str, Errand]:
    """Each way to have one sample made, and to know it; the last one also fetches it."""
    key = {"Authorization": f"Bearer {machine.key}"}
    predict, jobs = f"{machine.url}/api/models/{MODEL}/predict", f"{machine.url}/api/model-queries"
    waiting, plain = (
        Letter.post(predict, {**key, "Prefer": "wait=60"}, _BODY),
        Letter.post(predict, key, _BODY),
    )

    async def prefer(caller: Caller) -> int:
        return (await caller.ask(waiting)).status

    async def long_poll(caller: Caller) -> int:
        job = f"{jobs}/{_id(await caller.ask(plain))}?wait=30"
        answer = await caller.ask(Letter.get(job, key))
        while answer.status != HTTPStatus.OK or orjson.loads(answer.body)["status"] not in FINAL_JOB_STATES:
            seen = {"If-None-Match": answer.headers[b"etag"].decode()}
            answer = await caller.ask(Letter.get(job, {**key, **seen}))
        return answer.status

    async def fetched(caller: Caller) -> int:
        job = _id(await caller.ask(waiting))
        return (await caller.ask(Letter.get(f"{jobs}/{job}/result", key))).status

    return {
        "submit that waits (Prefer: wait)": prefer,
        "submit and long poll": long_poll,
        "submit that waits, and its samples as JSON": fetched,
    }


def _id(answer: Answer) -> str:
    return str(orjson.loads(answer.body)["modelQueryId"])


def _asked(errand: Errand, url: str, queries: int, clients: int) -> Tally:
    """So many queries by so many clients, after a tenth of them that does not count."""
    place = Letter.get(url, {})
    run(errand, place, clients, times=queries // 10)
    tally = run(errand, place, clients, times=queries)
    assert set(tally.statuses) == {HTTPStatus.OK}, tally.statuses
    return tally


def _figures(tally: Tally) -> str:
    times = tally.milliseconds
    p50, p95 = quantile(times, 0.5), quantile(times, 0.95)
    return f"{tally.rate:,.0f} queries/s, p50 {p50:.0f} ms, p95 {p95:.0f} ms"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=QUERIES, help="queries of one sample, each way")
    parser.add_argument("--clients", type=int, default=CLIENTS, help="clients at once")
    asked = parser.parse_args()
    main(asked.queries, asked.clients)
