"""With the default settings: what a worker held when it died is claimed again within 15 seconds."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path

import pytest

from tests.system.chaos import audit
from tests.system.chaos.adversary import Strike, Struck
from tests.system.chaos.customer import Customer, Town
from tests.system.chaos.ledger import Ledger
from tests.system.chaos.questions import Sizes, draw
from tests.system.chaos.recovery import DEADLY, recovery
from tests.system.chaos.stage import WORKERS, Plan, Stage, running_stage

ROUNDS, MOST_ROUNDS = 3, 6
GOAL_SECONDS = 15
_TAKEN_BACK = "SELECT count(*) FROM chunks WHERE state = 'queued' AND attempts > 0"


@pytest.mark.timeout(900)
def test_what_a_dead_worker_held_is_claimed_again_within_15_seconds(tmp_path: Path) -> None:
    """In all rounds but those in which the machine itself stands still for a while, and those are fewer."""
    with running_stage(tmp_path, Plan(settings={})) as stage:
        customer = Customer(
            Town(stage.urls, Ledger(), {}, threading.Event()), stage.keys[0], random.Random(0)
        )
        idle: list[float] = []
        questions = draw(1, Sizes(bulk=(20_000, 30_000)))["bulk"]
        while len(idle) < MOST_ROUNDS and _in_time(idle) < ROUNDS:
            job = customer.submit(questions[len(idle)])
            while (death := _death(stage)) is None:
                job = customer.submit(questions[len(idle)])
            customer.cancel(job)  # The rest of it is nothing that this test is about.
            stage.wait(stage.is_whole)
            with stage.database() as connection:
                held = recovery(audit.moves(connection), [death])
            idle.append(max(one.claimed for one in held))
        customer.close()
    assert _in_time(idle) >= ROUNDS, idle


def _in_time(idle: Sequence[float]) -> int:
    return sum(seconds < GOAL_SECONDS for seconds in idle)


def _death(stage: Stage) -> Struck | None:
    """Kill the first worker that holds something, and wait until all that it held was claimed again.

    Each is stopped in turn, and looked at. None where everything is done before that.
    """
    for name in cycle(WORKERS):
        if not _waiting(stage):
            return None
        stage.child(name).send(signal.SIGSTOP)
        dead = stage.pid(name)
        if _held(stage, dead):
            break
        stage.child(name).send(signal.SIGCONT)
    death = Struck(Strike(0, DEADLY, name, 0), datetime.now(UTC), dead)
    stage.child(name).send(signal.SIGKILL)
    stage.wait(lambda: not (_held(stage, dead) or _count(stage, _TAKEN_BACK)))
    return death


def _held(stage: Stage, pid: int) -> int:
    return _count(stage, f"SELECT count(*) FROM chunks WHERE state = 'running' AND owner LIKE '%-{pid}-%'")


def _waiting(stage: Stage) -> int:
    return _count(stage, "SELECT count(*) FROM chunks WHERE state IN ('queued', 'running')")


def _count(stage: Stage, statement: str) -> int:
    with stage.database() as connection:
        row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return int(row[0])
