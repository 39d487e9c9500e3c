"""A process's own clock: no round that fails or hangs is the last one of its kind."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from shared.errors import DatabaseUnavailable
from tests.support.processes import wait_until
from worker.tasks.clock import Round, ticking

SOON = timedelta(milliseconds=5)


class Ended:
    """Whether a process was ended, and how often."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


@pytest.mark.parametrize("error", [DatabaseUnavailable("It is away."), ValueError("a fault of ours")])
def test_a_round_that_fails_is_not_the_last_one(error: Exception) -> None:
    rounds: list[int] = []

    def fail() -> None:
        rounds.append(len(rounds))
        raise error

    ended = Ended()
    with ticking([Round("sweep", SOON, fail, timedelta(seconds=30))], ended):
        wait_until(lambda: len(rounds) >= 3)
    assert ended.times == 0


def test_a_round_that_hangs_ends_the_process_and_holds_up_no_other() -> None:
    forever, rounds, ended = threading.Event(), list[int](), Ended()
    hanging = Round("tidy", SOON, forever.wait, timedelta(milliseconds=100))
    going = Round("sweep", SOON, lambda: rounds.append(1), timedelta(seconds=30))
    with ticking([hanging, going], ended):
        wait_until(lambda: ended.times > 0)
        before = len(rounds)
        wait_until(lambda: len(rounds) > before + 2)
        forever.set()
    assert ended.times == 1


def test_a_round_that_may_take_any_time_does_not_hang() -> None:
    going_on, ended = threading.Event(), Ended()
    with ticking([Round("look", SOON, lambda: going_on.wait(0.3))], ended):
        assert not going_on.wait(0.2)
    assert ended.times == 0


def test_a_clock_stops_with_its_block() -> None:
    rounds: list[int] = []
    with ticking([Round("sweep", SOON, lambda: rounds.append(1))], Ended()):
        wait_until(lambda: len(rounds) > 1)
    after = len(rounds)
    threading.Event().wait(0.05)
    assert len(rounds) == after
