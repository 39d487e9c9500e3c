"""One whole run: the undisturbed answers, the storm, the calm, the check; what is drawn, from one seed."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

from shared.jobs.states import JobState
from tests.system.chaos.acts import Act, Scene, all_acts, pack
from tests.system.chaos.adversary import Adversary, Struck, plan
from tests.system.chaos.books import Books, read_books
from tests.system.chaos.calm import Swept, calm, finish_deletions, sweep
from tests.system.chaos.cancelling import cancel_seconds
from tests.system.chaos.customer import Customer, StormOver, Town
from tests.system.chaos.faults import FAULTS
from tests.system.chaos.invariants import check
from tests.system.chaos.leaks import leaks
from tests.system.chaos.ledger import Broken, Ledger
from tests.system.chaos.peace import undisturbed
from tests.system.chaos.questions import Question, Sizes, draw
from tests.system.chaos.recovery import Idle, recovery
from tests.system.chaos.stage import Plan, Stage, running_stage

_TICK = 0.02
_LONGER_SECONDS = 150


@dataclass(frozen=True, slots=True)
class Weather:
    """How bad it gets: the seed, how long it lasts, the mean gap between strikes, what is done.

    It goes on until so many different `acts` have come to their end and so many `jobs` were accepted, but not
    for ever.
    """

    seed: int
    seconds: float
    gap: float = 3.0
    customers: int = 8
    acts: int = 0
    jobs: int = 0
    faults: tuple[str, ...] = tuple(FAULTS)
    sizes: Sizes = field(default_factory=Sizes)
    plan: Plan = field(default_factory=Plan)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it. `calm_after` is how many seconds the last job took once everything was alive again.

    `cancels` are the seconds that each cancel took.
    """

    weather: Weather
    books: Books
    struck: Sequence[Struck]
    broken: Sequence[Broken]
    idle: Sequence[Idle]
    cancels: Sequence[float]
    swept: Swept
    calm_after: float
    bounded_disk: bool


def storm(weather: Weather, folder: Path) -> Outcome:
    """Run it, in a folder that is empty."""
    with running_stage(folder, weather.plan) as stage:
        return storm_on(stage, weather)


def storm_on(stage: Stage, weather: Weather) -> Outcome:
    """Run it on a stage that is whole and has no jobs."""
    pool = draw(weather.seed, weather.sizes)
    answers = undisturbed(stage, [question for kind in pool.values() for question in kind])
    town = Town(stage.urls, Ledger(), answers, threading.Event())
    struck = _rage(stage, weather, town, pool)
    calm_after = calm(stage)
    finish_deletions(stage, town.ledger)
    swept = sweep(stage)
    books = read_books(stage, town.ledger, answers)
    return Outcome(
        weather=weather,
        books=books,
        struck=struck,
        broken=[*check(books), *_refetched(stage, town, books), *leaks(stage)],
        idle=recovery(books.moves, struck),
        cancels=cancel_seconds(books),
        swept=swept,
        calm_after=calm_after,
        bounded_disk=stage.disk.bounded,
    )


def _rage(
    stage: Stage, weather: Weather, town: Town, pool: Mapping[str, Sequence[Question]]
) -> Sequence[Struck]:
    """Customers in threads, and the adversary in this one, which tends the stage."""
    streams: dict[str, str] = {}
    acts, threads = all_acts(), []
    cards = pack(weather.seed, acts)
    for number in range(weather.customers):
        chance = random.Random(f"customer {weather.seed} {number}")
        customer = Customer(town, stage.keys[number % len(stage.keys)], chance, f"customer-{number}")
        scene = Scene(customer, pool, chance, streams)
        # Each begins at another card, so that together they play all acts soon.
        first = number * len(cards) // weather.customers
        told = (scene, cards[first:] + cards[:first], acts)
        threads.append(threading.Thread(target=_live, args=told, name=customer.name))
    faults = {name: FAULTS[name] for name in weather.faults}
    adversary = Adversary(stage, plan(weather.seed, weather.seconds, weather.gap, faults))
    began = time.monotonic()
    for thread in threads:
        thread.start()
    try:
        while (now := time.monotonic() - began) < weather.seconds or (
            now < weather.seconds + _LONGER_SECONDS and not _is_enough(weather, town.ledger)
        ):
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


def _is_enough(weather: Weather, ledger: Ledger) -> bool:
    return len(ledger.done) >= weather.acts and len(ledger.accepted) >= weather.jobs


def _live(scene: Scene, cards: Sequence[str], acts: Mapping[str, Act]) -> None:
    """Act after act until the storm is over; what an act did not expect is written down."""
    for name in cycle(cards):
        if scene.customer.over.is_set():
            break
        try:
            acts[name].play(scene)
            scene.customer.ledger.did(name)
        except StormOver:
            continue
        except Exception as error:  # noqa: BLE001 - the edge of the customer's thread
            scene.customer.ledger.breach("no act meets what it did not expect", f"{name}: {error!r}")
    scene.customer.close()


def _refetched(stage: Stage, town: Town, books: Books, most: int = 10) -> list[Broken]:
    """The results as their owners read them now: the last ones of each workspace."""
    ledger = Ledger()
    calm = Town(town.urls, ledger, town.answers, threading.Event())
    for key in stage.keys:
        customer = Customer(calm, key, random.Random(0))
        own = [job for job in town.ledger.accepted if job.key == key]
        ready = [job for job in own if books.jobs.get(job.job_id, {}).get("state") == JobState.READY]
        with suppress(StormOver):
            for job in ready[-most:]:
                customer.fetch(job)
        customer.close()
    return ledger.broken
