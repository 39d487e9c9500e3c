"""How soon an event is at its receivers, how many deliveries a second, and what 10,000 that fail cost.

`python -m tests.benchmarks.bench_webhooks`: a minute and a half. One API, one upkeep worker, Postgres, Valkey
and the receivers share the machine; one endpoint hangs all the while. An event happens when its transaction
begins.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import orjson
import psutil
from sqlalchemy import Engine, text

from cli.machine.services import with_our_packages
from shared.database.engines import sync_engine, transaction
from shared.webhooks.keys import Secret
from shared.webhooks.sealing import Seal
from tests.benchmarks.crowd import Letter, Tally, send
from tests.benchmarks.front import Front, running_front
from tests.benchmarks.post_box import PostBox, post_box
from tests.benchmarks.report import Row, as_markdown, judged
from tests.benchmarks.samples import query_of
from tests.benchmarks.timing import quantile
from tests.support.jobs import save_job
from tests.support.machine import clean_environment
from tests.support.processes import wait_until
from tests.support.upkeep import upkeep_worker
from tests.support.webhooks import save_endpoint

ENDPOINTS = 50
BURST, LAB = "a lab with fifty", "lab {}"
GOAL_MILLISECONDS = 100
GOAL_MEBIBYTES = 16
GOAL_RATIO = 1.1
_FAILING = """
    INSERT INTO webhook_deliveries (workspace_id, endpoint_id, kind, attempts, forgiven, due_at)
    SELECT workspace_id, id, 'webhook.ping', 3, 3, now() + random() * interval '30 minutes'
    FROM webhook_endpoints, generate_series(1, :each) WHERE url LIKE '%/bad/%'
"""
_END_ALL = "UPDATE webhook_endpoints SET enabled = false, disabled_because = 'owner'"
_FORGET_ALL = "DELETE FROM webhook_deliveries WHERE finished_at IS NULL"
_WAITING = "SELECT count(*) FROM webhook_deliveries WHERE finished_at IS NULL"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured."""

    seconds: float = 12.0  # of events, one after the other
    bursts: int = 10
    flood: int = 40  # events at once, each for every endpoint
    submits: float = 8.0  # seconds, without and with what fails
    failing: int = 10_000


@dataclass(frozen=True, slots=True)
class Stage:
    """What is measured on."""

    front: Front
    engine: Engine
    box: PostBox
    sealed: str
    worker: psutil.Process


def main(sizes: Sizes) -> None:
    """Print the table."""
    print(as_markdown(measure(sizes)))


def measure(sizes: Sizes | None = None) -> list[Row]:
    """Every row of this benchmark."""
    sizes = sizes or Sizes()
    with _stage() as stage:
        _register(stage)
        return [
            *_lags(stage, sizes),
            _rate(stage, sizes),
            *_failing(stage, sizes),
        ]


@contextmanager
def _stage() -> Iterator[Stage]:
    with running_front() as front, post_box() as box:
        places = front.servers.places
        engine = sync_engine(places.database_url, pool_size=1)
        environment = with_our_packages(clean_environment(places.environment))
        sealed = Seal(places.secret_key.encode()).close(Secret.new())
        with upkeep_worker(environment, front.servers.folder.log("upkeep")) as worker:
            stage = Stage(front, engine, box, sealed, psutil.Process(worker.pid))
            try:
                save_endpoint(engine, box.url("good", "first"), "trial", secret=sealed)
                save_job(engine, workspace="trial")
                wait_until(lambda: len(box.lags) == 1, 60)
                yield stage
            finally:
                engine.dispose()


def _register(stage: Stage) -> None:
    """Fifty endpoints of one lab, one of each of fifty labs, and one of all these that hangs."""
    for number in range(ENDPOINTS):
        for workspace in (BURST, LAB.format(number)):
            url = stage.box.url("good", f"{workspace.replace(' ', '-')}-{number}")
            save_endpoint(stage.engine, url, workspace, secret=stage.sealed)
    for workspace in (BURST, LAB.format(0)):
        save_endpoint(stage.engine, stage.box.url("hung", 0), workspace, secret=stage.sealed)


def _lags(stage: Stage, sizes: Sizes) -> list[Row]:
    """Events of fifty labs, one after the other; and such as all fifty endpoints of a lab are told."""
    chance, until = random.Random(1), time.monotonic() + sizes.seconds
    single = _lags_of(stage, lambda: _one_by_one(stage, chance, until))
    burst = _lags_of(stage, lambda: _bursts(stage, sizes.bursts))
    return [
        _lag_row(f"event to first byte, {ENDPOINTS} endpoints and one that hangs", single),
        _lag_row(f"the same, where each event goes to all {ENDPOINTS} at once", burst),
    ]


def _lags_of(stage: Stage, happen: Callable[[], int]) -> list[float]:
    """Milliseconds from each event that is told to good endpoints to its first byte."""
    stage.box.forget()
    told = happen()
    wait_until(lambda: len(stage.box.lags) >= told, 60)
    return [1e3 * lag for lag in stage.box.lags]


def _one_by_one(stage: Stage, chance: random.Random, until: float) -> int:
    told = 0
    while time.monotonic() < until:
        save_job(stage.engine, workspace=LAB.format(chance.randrange(ENDPOINTS)))
        told += 1
        time.sleep(chance.uniform(0.02, 0.18))
    return told


def _bursts(stage: Stage, times: int) -> int:
    for number in range(1, times + 1):
        save_job(stage.engine, workspace=BURST)
        wait_until(lambda upto=number: len(stage.box.lags) >= upto * ENDPOINTS, 60)
        time.sleep(0.2)
    return times * ENDPOINTS


def _lag_row(what: str, lags: list[float]) -> Row:
    p50, p95 = quantile(lags, 0.5), quantile(lags, 0.95)
    goal = judged(f"p95, goal {GOAL_MILLISECONDS} ms", p95 <= GOAL_MILLISECONDS)
    return Row(what, f"p50 {p50:.0f} ms, p95 {p95:.0f} ms, {len(lags)} times", goal)


def _rate(stage: Stage, sizes: Sizes) -> Row:
    stage.box.forget()
    deliveries, worked = sizes.flood * ENDPOINTS, sum(stage.worker.cpu_times()[:2])
    for _ in range(sizes.flood):
        save_job(stage.engine, workspace=BURST)
    wait_until(lambda: len(stage.box.lags) >= deliveries, 90)
    seconds = stage.box.last_at - stage.box.first_at
    each = 1e3 * (sum(stage.worker.cpu_times()[:2]) - worked) / deliveries
    figure = f"{deliveries / seconds:,.0f}/s, {deliveries:,} of them"
    return Row("deliveries of one upkeep worker", figure, f"{each:.1f} ms of its processor time each")


def _failing(stage: Stage, sizes: Sizes) -> list[Row]:
    """Submits of a lab that no endpoint wants, before and while so many wait to be tried again."""
    _execute(stage, _END_ALL)
    _execute(stage, _FORGET_ALL)
    time.sleep(1)
    before, without = _rss(stage), _submits(stage, sizes)
    for number in range(ENDPOINTS):
        url = stage.box.url("bad", number)
        save_endpoint(stage.engine, url, "bench", secret=stage.sealed, events=["query.expired"])
    _execute(stage, _FAILING, each=sizes.failing // ENDPOINTS)
    stage.box.forget()
    began, beside = time.monotonic(), _submits(stage, sizes)
    tried, grown = stage.box.failed, (_rss(stage) - before) / (1 << 20)
    waiting = _execute(stage, _WAITING)
    rate = tried / (time.monotonic() - began)
    ratio = quantile(beside.milliseconds, 0.5) / quantile(without.milliseconds, 0.5)
    name = f"{sizes.failing:,} failing deliveries wait"
    return [
        Row("submit, nothing waits", _figures(without)),
        Row(
            f"submit, {name}",
            f"{_figures(beside)}; {waiting:,} waited, {rate:.1f}/s tried",
            judged(f"p50 {ratio:.2f} of that, goal {GOAL_RATIO}", ratio <= GOAL_RATIO),
        ),
        Row(
            f"memory of the upkeep worker, {name}",
            f"{_rss(stage) / (1 << 20):.0f} MiB, {grown:+.1f} MiB",
            judged(f"goal +{GOAL_MEBIBYTES} MiB", grown <= GOAL_MEBIBYTES),
        ),
    ]


def _submits(stage: Stage, sizes: Sizes) -> Tally:
    """Queries of one sample, one after the other. Raises AssertionError unless all are accepted."""
    headers = {"Authorization": f"Bearer {stage.front.key}"}
    body = orjson.dumps(query_of(1, "mean estimation", 1))
    letter = Letter.post(f"{stage.front.url}/api/models/gem-1-bulk/predict", headers, body)
    send(letter, 1, seconds=sizes.submits / 4)
    tally = send(letter, 1, seconds=sizes.submits)
    assert set(tally.statuses) == {202}, tally.statuses
    return tally


def _figures(tally: Tally) -> str:
    times = tally.milliseconds
    return f"p50 {quantile(times, 0.5):.1f} ms, p99 {quantile(times, 0.99):.0f} ms"


def _rss(stage: Stage) -> int:
    """Bytes of the worker and what it has started."""
    return sum(one.memory_info().rss for one in (stage.worker, *stage.worker.children(recursive=True)))


def _execute(stage: Stage, statement: str, **parameters: object) -> int:
    """Run a statement; the number in its answer, if it has one."""
    with transaction(stage.engine) as session:
        done = session.execute(text(statement), parameters)
        return int(done.scalar_one()) if done.returns_rows else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a tenth of it, to see that it runs")
    small = Sizes(seconds=2, bursts=2, flood=4, submits=1, failing=1_000)
    main(small if parser.parse_args().small else Sizes())
