"""With the default settings: what a worker held when it died is claimed again within 15 seconds."""

from __future__ import annotations

import random
import signal
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path

from tests.support.stalls import time_that_was_lost
from tests.system.chaos import audit
from tests.system.chaos.adversary import Strike, Struck
from tests.system.chaos.customer import Customer, Town
from tests.system.chaos.ledger import Ledger
from tests.system.chaos.questions import Question, Sizes, draw
from tests.system.chaos.recovery import DEADLY, recovery
from tests.system.chaos.stage import WORKERS, Plan, Stage, running_stage

ROUNDS = 3
GOAL_SECONDS = 15
_TAKEN_BACK = "SELECT count(*) FROM chunks WHERE state = 'queued' AND attempts > 0"


def test_what_a_dead_worker_held_is_claimed_again_within_15_seconds(tmp_path: Path) -> None:
    with running_stage(tmp_path, Plan(settings={})) as stage:
        customer = Customer(
            Town(stage.urls, Ledger(), {}, threading.Event()), stage.keys[0], random.Random(0)
        )
        questions = cycle(draw(1, Sizes(bulk=(20_000, 30_000)))["bulk"])
        rounds: list[Round] = []
        while len(rounds) < ROUNDS:
            rounds += _rounds(stage, customer, next(questions))
        customer.close()
    assert [one for one in rounds if one.idle - one.lost >= GOAL_SECONDS] == []


@dataclass(frozen=True, slots=True)
class Round:
    """Seconds from a death until all that was held was claimed again; and how many of them nobody had."""

    idle: float
    lost: float


def _rounds(stage: Stage, customer: Customer, question: Question) -> list[Round]:
    """One death in the middle of a job; none where the job is over, or the dead held nothing, by then."""
    job = customer.submit(question)
    with time_that_was_lost() as lost:
        death = _death(stage)
    customer.cancel(job)  # The rest of it is nothing that this test is about.
    stage.wait(stage.is_whole)
    with stage.database() as connection:
        held = recovery(audit.moves(connection), [death] if death else [])
    return [Round(held[-1].claimed, sum(lost))] if held else []


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
