"""With the default settings: what a worker held when it died is claimed again within 15 seconds."""

from __future__ import annotations

import random
import signal
import threading
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

ROUNDS = 3
GOAL_SECONDS = 15
_TAKEN_BACK = "SELECT count(*) FROM chunks WHERE state = 'queued' AND attempts > 0"


@pytest.mark.timeout(240)
def test_what_a_dead_worker_held_is_claimed_again_within_15_seconds(tmp_path: Path) -> None:
    with running_stage(tmp_path, Plan(settings={})) as stage:
        customer = Customer(
            Town(stage.urls, Ledger(), {}, threading.Event()), stage.keys[0], random.Random(0)
        )
        deaths = []
        for question in draw(1, Sizes(bulk=(20_000, 30_000)))["bulk"][:ROUNDS]:
            job = customer.submit(question)
            deaths.append(_death(stage))
            customer.cancel(job)  # The rest of it is nothing that this test is about.
            stage.wait(stage.is_whole)
        with stage.database() as connection:
            idle = [one.claimed for one in recovery(audit.moves(connection), deaths)]
        customer.close()
    assert len(idle) >= ROUNDS
    assert max(idle) < GOAL_SECONDS, idle


def _death(stage: Stage) -> Struck:
    """Kill the first worker that holds something, and wait until all that it held was claimed again.

    Each is stopped in turn, and looked at.
    """
    for name in cycle(WORKERS):
        assert _waiting(stage), "the job ended before its worker could be killed"
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
