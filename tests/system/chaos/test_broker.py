"""A broker that comes and goes leaves no worker deaf: each of them works again, alone."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.system.chaos.customer import OVER, Customer, Town
from tests.system.chaos.holding import stopped
from tests.system.chaos.ledger import Accepted, Ledger
from tests.system.chaos.questions import Question, Sizes, draw
from tests.system.chaos.stage import VALKEY, WORKERS, Stage

TIMES = 15
HEARS_WITHIN = 60.0
AWAY_SECONDS = 8
POOL = draw(2, Sizes(bulk=(4_000, 5_000)))


def cut(stage: Stage) -> None:
    stage.valkey_wire.cut()


def flush(stage: Stage) -> None:
    with stage.broker() as client:
        client.flushall()


def kill(stage: Stage) -> None:
    stage.child(VALKEY).send(signal.SIGKILL)


@pytest.fixture
def customer(stage: Stage) -> Iterator[Customer]:
    made = Customer(Town(stage.urls, Ledger(), {}, threading.Event()), stage.keys[0], random.Random(0))
    yield made
    made.close()


@pytest.mark.parametrize("disturb", [cut, flush, kill])
def test_every_worker_hears_again_after(
    stage: Stage, customer: Customer, disturb: Callable[[Stage], None]
) -> None:
    chance = random.Random(3)
    for _ in range(TIMES):
        customer.submit(chance.choice(POOL["small"]))
        disturb(stage)
        stage.pause(chance.uniform(0.05, 0.6))
    assert_all_hear(stage, customer)


def test_every_worker_hears_again_after_the_broker_was_away_when_its_work_ended(
    stage: Stage, customer: Customer
) -> None:
    """What a worker had in hand then cannot be acknowledged."""
    job = in_both_hands(stage, customer)
    kill(stage)
    customer.wait(job)  # Nobody tends the stage meanwhile: the broker stays away.
    time.sleep(AWAY_SECONDS)
    assert_all_hear(stage, customer)


def in_both_hands(stage: Stage, customer: Customer) -> Accepted:
    """A job on which both workers work; one that is over before that was seen is followed by another."""
    working = "SELECT count(DISTINCT owner) FROM chunks WHERE state = 'running'"
    while True:
        job = customer.submit(POOL["bulk"][0])
        with stage.database() as connection:
            while (state := customer.status(job)["status"]) not in OVER:
                if connection.execute(working).fetchone() == (len(WORKERS),):
                    return job
                stage.tend()
        assert state == "ready"


def assert_all_hear(stage: Stage, customer: Customer) -> None:
    """Upkeep sweeps, and either generation worker works while the other one is stopped."""
    stage.wait(stage.is_whole)
    assert upkeep_works(stage), "upkeep sweeps no more"
    for alone, other in (WORKERS, WORKERS[::-1]):
        with stopped(stage, other):
            heard = answers(stage, customer, POOL["small"][0])
        assert heard, f"{alone} is alive and claims nothing"


def within(stage: Stage, true: Callable[[], bool]) -> bool:
    until = time.monotonic() + HEARS_WITHIN
    while time.monotonic() < until:
        if true():
            return True
        stage.pause(0.1)
    return False


def upkeep_works(stage: Stage) -> bool:
    """A worker that has not been heard of for an hour is forgotten at the next sweep."""
    with stage.database() as connection:
        connection.execute(
            "INSERT INTO workers (id, host, pid, device, models, seen_at) "
            "VALUES ('silent', 'nowhere', 0, 'cpu', '{}', now() - interval '1 hour')"
        )
        statement = "SELECT 1 FROM workers WHERE id = 'silent'"
        return within(stage, lambda: connection.execute(statement).fetchone() is None)


def answers(stage: Stage, customer: Customer, question: Question) -> bool:
    job = customer.submit(question)
    return within(stage, lambda: customer.status(job)["status"] == "ready")
