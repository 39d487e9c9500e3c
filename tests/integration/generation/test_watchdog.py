"""A worker that stopped asking for work while some waits is ended; one that has reason to be idle is not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from shared.database.engines import transaction
from tests.support.jobs import save_job
from tests.support.processes import wait_until
from worker.generation.claim import Claimant
from worker.generation.watchdog import Sign, Watchdog, watched

MOMENT, PATIENCE = timedelta(seconds=0.2), timedelta(minutes=10)


class OldSign(Sign):
    """A sign that was given an hour ago."""

    def __init__(self) -> None:
        super().__init__()
        self._last -= timedelta(hours=1).total_seconds()


class Dog:
    """A watchdog of a worker that holds one model, and how often it had the worker end."""

    def __init__(self, engine: Engine, sign: Sign, patience: timedelta = PATIENCE) -> None:
        self.ended = 0
        self.sign = sign
        claimant = Claimant("w", lambda: {"gem-1-bulk": [1]}, timedelta(minutes=1), 8)
        self.watchdog = Watchdog(engine, claimant, self.sign, patience, self._end)

    def _end(self) -> None:
        self.ended += 1


def wait_in_queue(engine: Engine, model_id: str = "gem-1-bulk") -> None:
    """A job that was queued an hour ago."""
    save_job(engine, [1], model_id=model_id)
    with transaction(engine) as session:
        session.execute(text("UPDATE chunks SET queued_at = now() - interval '1 hour'"))


def test_a_worker_that_asks_for_nothing_while_work_waits_is_ended(engine: Engine) -> None:
    """Row 4: its process is alive, and its broker's client is silent."""
    dog = Dog(engine, Sign(), MOMENT)
    wait_in_queue(engine)
    with watched(dog.watchdog):
        wait_until(lambda: dog.ended > 0)


def test_a_worker_that_just_asked_is_left_alone(engine: Engine) -> None:
    dog = Dog(engine, OldSign())
    wait_in_queue(engine)
    dog.sign.give()
    assert not dog.watchdog.look()
    assert dog.ended == 0


def test_a_worker_that_just_started_counts_as_one_that_just_asked(engine: Engine) -> None:
    dog = Dog(engine, Sign())
    wait_in_queue(engine)
    assert not dog.watchdog.look()


@pytest.mark.parametrize("waiting", ["nothing", "another model", "something new"])
def test_a_worker_with_reason_to_be_idle_is_left_alone(engine: Engine, waiting: str) -> None:
    dog = Dog(engine, OldSign())
    if waiting == "another model":
        wait_in_queue(engine, "unheld")
    if waiting == "something new":
        save_job(engine, [1])
    assert not dog.watchdog.look()
    assert dog.ended == 0
    wait_in_queue(engine)
    assert dog.watchdog.look(), "it has no reason any more"
