"""Submits a second of one API process, with the broker up, down and hung, beside a bare insert of the rows.

`python -m tests.benchmarks.bench_submits`: about a minute and a half. No worker runs; clients, API and
Postgres share the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import time
from collections.abc import Callable
from dataclasses import asdict

import orjson
from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncEngine

from api.services.submit import PreparedJob, SubmitPolicy, prepare_job
from api.services.understand import understand
from shared.catalog import Catalog
from shared.database.engines import async_engine, async_transaction
from shared.database.tables import Chunk, Event, Job, JobInput, Table
from shared.jobs.events import EventKind
from shared.ontology.terms import Ontologies
from shared.settings import MODELS_OF_THIS_CHECKOUT, ApiSettings
from tests.benchmarks.crowd import Letter, Tally, send
from tests.benchmarks.front import Front, running_front
from tests.benchmarks.report import Row, as_markdown, judged
from tests.benchmarks.timing import quantile

MODEL = "gem-1-bulk"
BARE, UP = "bare insert of the same rows", "submit, broker up"
QUERY = {
    "sampling_strategy": "mean estimation",
    "inputs": [{"metadata": {"tissue_ontology_id": "UBERON:0002107"}, "num_samples": 1}],
}
CLIENTS = 16
SECONDS = 5.0
TURNS = 3
GOAL = 0.8
# What a submit may take longer while the broker is away.
GOAL_MILLISECONDS = 100


def main(seconds: float = SECONDS, turns: int = TURNS) -> None:
    """Print the table."""
    print(as_markdown(measure(seconds, turns)))


def measure(seconds: float = SECONDS, turns: int = TURNS) -> list[Row]:
    """Every row of this benchmark."""
    with running_front() as front:
        ways: dict[str, Callable[[int], Tally]] = {
            BARE: lambda clients: _bare(front, clients, seconds),
            UP: lambda clients: _submits(front, clients, seconds),
        }
        alone = {way: run(1) for way, run in ways.items()}
        crowd = {way: _best([run(CLIENTS) for _ in range(turns)]) for way, run in ways.items()}
        front.servers.valkey.send(signal.SIGSTOP)
        time.sleep(1)
        hung, crowd["submit, broker hung"] = _submits(front, 1, seconds), _submits(front, CLIENTS, seconds)
        front.servers.valkey.send(signal.SIGCONT)
        front.servers.valkey.send(signal.SIGKILL)
        time.sleep(1)
        down, crowd["submit, broker down"] = _submits(front, 1, seconds), _submits(front, CLIENTS, seconds)
        alone |= {"submit, broker hung": hung, "submit, broker down": down}
    return [*_rates(crowd), *_latencies(alone)]


def _best(tallies: list[Tally]) -> Tally:
    return max(tallies, key=lambda tally: tally.rate)


def _rates(crowd: dict[str, Tally]) -> list[Row]:
    bare = crowd[BARE]
    rows = []
    for way, tally in crowd.items():
        share = tally.rate / bare.rate
        beside = judged(f"{share:.2f} of the bare insert, goal {GOAL}", share >= GOAL)
        rows.append(Row(f"{way}, {CLIENTS} at once", _figures(tally), "" if tally is bare else beside))
    return rows


def _latencies(alone: dict[str, Tally]) -> list[Row]:
    usual = quantile(alone[UP].milliseconds, 0.99)
    rows = []
    for way, tally in alone.items():
        more = quantile(tally.milliseconds, 0.99) - usual
        beside = judged(f"p99 {more:+.0f} ms, goal +{GOAL_MILLISECONDS} ms", more <= GOAL_MILLISECONDS)
        rows.append(
            Row(f"{way}, one after the other", _figures(tally), beside if "broker" in way and more else "")
        )
    return rows


def _figures(tally: Tally) -> str:
    times = tally.milliseconds
    return f"{tally.rate:,.0f}/s, p50 {quantile(times, 0.5):.1f} ms, p99 {quantile(times, 0.99):.0f} ms"


def _submits(front: Front, clients: int, seconds: float) -> Tally:
    """Queries of one sample, sent to the API. Raises AssertionError unless all are accepted."""
    headers = {"Authorization": f"Bearer {front.key}"}
    letter = Letter.post(f"{front.url}/api/models/{MODEL}/predict", headers, orjson.dumps(QUERY))
    send(letter, clients, seconds=seconds / 5)
    tally = send(letter, clients, seconds=seconds)
    assert set(tally.statuses) == {202}, tally.statuses
    return tally


def _bare(front: Front, clients: int, seconds: float) -> Tally:
    """The rows of the same query as SQLAlchemy's objects, added and committed in one transaction."""
    pool = ApiSettings.model_fields["database_pool_size"].default

    async def run() -> Tally:
        engine = async_engine(front.servers.places.database_url, pool)
        prepare = _preparing()
        try:
            await _insert(engine, prepare, clients, seconds / 5)
            return await _insert(engine, prepare, clients, seconds)
        finally:
            await engine.dispose()

    return asyncio.run(run())


def _preparing() -> Callable[[], PreparedJob]:
    """Makes the rows of the query anew; what it means is found once."""
    offer = Catalog.open(MODELS_OF_THIS_CHECKOUT).offer(MODEL)
    meant = understand(QUERY, offer.rules, Ontologies.open())
    policy = SubmitPolicy(ApiSettings.model_fields["result_lifetime"].default)
    return lambda: prepare_job(meant, offer.model, 1, policy)


def _rows(job: PreparedJob) -> list[Table]:
    """Its job, its input, its chunk, its first event."""
    (item,), (plan,), values = job.inputs, job.chunks, dict(job.values)
    kept, _ = values.pop("kept_for"), values.pop("cancel_after")
    placements = {name: asdict(place) for name, place in item.placements.items()}
    common = {name: values[name] for name in ("workspace_id", "lane", "model_id", "model_version")}
    return [
        Job(events=1, expires_at=func.now() + kept, **values),
        JobInput(
            job_id=job.id,
            position=0,
            first_sample=0,
            num_samples=item.num_samples,
            conditions=dict(item.metadata),
            placements=placements,
        ),
        Chunk(job_id=job.id, **common, **asdict(plan)),
        Event(job_id=job.id, workspace_id=values["workspace_id"], number=1, kind=EventKind.QUEUED, data={}),
    ]


async def _insert(
    engine: AsyncEngine, prepare: Callable[[], PreparedJob], clients: int, seconds: float
) -> Tally:
    tally, began = Tally(), time.perf_counter()

    async def one() -> None:
        while (start := time.perf_counter()) < began + seconds:
            job, *others = _rows(prepare())
            async with async_transaction(engine) as session:
                session.add(job)
                await session.flush()
                session.add_all(others)
            tally.milliseconds.append(1e3 * (time.perf_counter() - start))

    await asyncio.gather(*(one() for _ in range(clients)))
    tally.seconds = time.perf_counter() - began
    return tally


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long each way is measured")
    parser.add_argument("--turns", type=int, default=TURNS, help="how often; the best one counts")
    asked = parser.parse_args()
    main(asked.seconds, asked.turns)
