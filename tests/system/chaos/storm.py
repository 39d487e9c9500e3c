"""One whole run: the undisturbed answers, the storm, the calm, the check; what is drawn, from one seed."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shared.jobs.states import JobState
from tests.system.chaos.acts import Act, Scene, all_acts
from tests.system.chaos.adversary import Adversary, Struck, plan
from tests.system.chaos.books import Books, read_books
from tests.system.chaos.customer import Customer, StormOver, Town
from tests.system.chaos.faults import FAULTS
from tests.system.chaos.invariants import check
from tests.system.chaos.leaks import leaks
from tests.system.chaos.ledger import Accepted, Broken, Ledger
from tests.system.chaos.questions import Answer, Question, Sizes, digest, draw
from tests.system.chaos.recovery import Idle, recovery
from tests.system.chaos.stage import Plan, Stage, running_stage

_CALM_SECONDS = 120.0
_TICK = 0.02


@dataclass(frozen=True, slots=True)
class Weather:
    """How bad it gets: the seed, how long it lasts, the mean gap between strikes, what is done."""

    seed: int
    seconds: float
    gap: float = 3.0
    customers: int = 8
    faults: tuple[str, ...] = tuple(FAULTS)
    sizes: Sizes = field(default_factory=Sizes)
    plan: Plan = field(default_factory=Plan)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it. `calm_after` is how many seconds the last job took once everything was alive again."""

    weather: Weather
    books: Books
    struck: Sequence[Struck]
    broken: Sequence[Broken]
    idle: Sequence[Idle]
    calm_after: float
    bounded_disk: bool


def storm(weather: Weather, folder: Path) -> Outcome:
    """Run it, in a folder that is empty."""
    with running_stage(folder, weather.plan) as stage:
        pool = draw(weather.seed, weather.sizes)
        answers = undisturbed(stage, [question for kind in pool.values() for question in kind])
        town = Town(stage.urls, Ledger(), answers, threading.Event())
        struck = _rage(stage, weather, town, pool)
        calm_after = _calm(stage)
        books = read_books(stage, town.ledger, answers)
        broken = [*check(books), *_refetched(stage, town, books), *leaks(stage)]
        return Outcome(
            weather, books, struck, broken, recovery(books.moves, struck), calm_after, stage.disk.bounded
        )


def undisturbed(stage: Stage, questions: Sequence[Question]) -> dict[str, Answer]:
    """Every question asked of every API process in peace: they cut it differently and must answer alike."""
    answers: dict[str, Answer] = {}
    for url in stage.urls:
        customer = Customer(
            Town((url,), Ledger(), answers, threading.Event()), stage.keys[0], random.Random(0)
        )
        jobs = [customer.submit(question) for question in questions]
        for job in jobs:
            _note(stage, customer, job, answers)
        customer.close()
    return answers


def _note(stage: Stage, customer: Customer, job: Accepted, answers: dict[str, Answer]) -> None:
    customer.wait(job, every=0.05)
    content = customer.ask("GET", f"/api/model-queries/{job.job_id}/result?format=json").content
    answer = answers.setdefault(job.question.name, Answer(digest(content)))
    assert answer.json_sha256 == digest(content), "two ways of cutting a query gave two results"
    with stage.database() as connection:
        statement = "SELECT first_sample, num_samples, part_sha256 FROM chunks WHERE job_id = %s"
        for first, count, sha256 in connection.execute(statement, (job.job_id,)):
            answer.parts[first, count] = sha256


def _rage(
    stage: Stage, weather: Weather, town: Town, pool: Mapping[str, Sequence[Question]]
) -> Sequence[Struck]:
    """Customers in threads, and the adversary in this one, which tends the stage."""
    streams: dict[str, str] = {}
    threads = []
    for number in range(weather.customers):
        chance = random.Random(f"customer {weather.seed} {number}")
        customer = Customer(town, stage.keys[number % len(stage.keys)], chance)
        scene = Scene(customer, pool, chance, streams)
        threads.append(threading.Thread(target=_live, args=(scene, all_acts()), name=f"customer-{number}"))
    faults = {name: FAULTS[name] for name in weather.faults}
    adversary = Adversary(stage, plan(weather.seed, weather.seconds, weather.gap, faults))
    began = time.monotonic()
    for thread in threads:
        thread.start()
    try:
        while (now := time.monotonic() - began) < weather.seconds:
            adversary.step(now)
            stage.tend()
            time.sleep(_TICK)
    finally:
        adversary.relent()
        town.over.set()
        while any(thread.is_alive() for thread in threads):
            stage.tend()
            time.sleep(_TICK)
    return adversary.struck


def _live(scene: Scene, acts: Mapping[str, Act]) -> None:
    """Act after act until the storm is over; what an act did not expect is written down."""
    names, weights = list(acts), [act.WEIGHT for act in acts.values()]
    while not scene.customer.over.is_set():
        (name,) = scene.chance.choices(names, weights)
        try:
            acts[name].play(scene)
            scene.customer.ledger.did(name)
        except StormOver:
            continue
        except Exception as error:  # noqa: BLE001 - the edge of the customer's thread
            scene.customer.ledger.breach("no act meets what it did not expect", f"{name}: {error!r}")
    scene.customer.close()


def _calm(stage: Stage) -> float:
    """Wait until every process is alive, then until nothing is left to do; returns the latter's seconds."""
    stage.wait(stage.is_whole)
    began = time.monotonic()
    while _unfinished(stage) and time.monotonic() - began < _CALM_SECONDS:
        stage.tend()
        time.sleep(0.1)
    # Two sweeps more: upkeep may tidy up.
    settled = time.monotonic() + 1.5
    while time.monotonic() < settled:
        stage.tend()
        time.sleep(0.1)
    return time.monotonic() - began - 1.5


def _unfinished(stage: Stage) -> int:
    with stage.database() as connection:
        row = connection.execute("SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')").fetchone()
    assert row is not None
    return int(row[0])


def _refetched(stage: Stage, town: Town, books: Books, most: int = 10) -> list[Broken]:
    """The results as their owners read them now: the last ones of each workspace."""
    ledger = Ledger()
    calm = Town(town.urls, ledger, town.answers, threading.Event())
    for key in stage.keys:
        customer = Customer(calm, key, random.Random(0))
        own = [job for job in town.ledger.accepted if job.key == key]
        for job in own[-most:]:
            if books.jobs[job.job_id]["state"] == JobState.READY:
                customer.fetch(job)
        customer.close()
    return ledger.broken
