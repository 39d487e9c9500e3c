"""How long what a dead worker held lies idle, with the default settings: many kills, by the second books.

`python -m tests.benchmarks.bench_recovery`: about six minutes for 30 kills with the broker up and 10 with it
hung. A stage of two generation workers with tiny models; each kill meets a worker that holds chunks.
"""

from __future__ import annotations

import argparse
import signal
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from tests.benchmarks.report import Row, as_markdown, judged
from tests.benchmarks.samples import query_of
from tests.benchmarks.timing import quantile
from tests.system.chaos import audit
from tests.system.chaos.adversary import Strike, Struck
from tests.system.chaos.recovery import DEADLY, Idle, recovery
from tests.system.chaos.stage import VALKEY, WORKERS, Plan, Stage, running_stage

KILLS, HUNG_KILLS = 30, 10
GOAL_SECONDS = 15.0
MODEL = "gem-1-bulk"
# Two workers need minutes for so many.
_SAMPLES, _LEAST_WAITING = 100_000, 6_000
_PATIENCE = 60.0
_BETWEEN = 3.0  # seconds: by then who was killed first lives again
_WAITING = "SELECT count(*) FROM chunks WHERE state IN ('queued', 'running')"
_HELD = "SELECT count(*) FROM chunks WHERE state = 'running' AND owner LIKE %s"


def main(kills: int = KILLS, hung: int = HUNG_KILLS) -> None:
    """Print the table."""
    print(as_markdown(measure(kills, hung)))


def measure(kills: int = KILLS, hung: int = HUNG_KILLS) -> list[Row]:
    """Every row of this benchmark."""
    with TemporaryDirectory(prefix="genequeue-bench-") as name:
        with running_stage(Path(name), Plan(settings={})) as stage:
            up = [death for _ in range(0, kills, len(WORKERS)) for death in _kill_each(stage)]
            away = [death for _ in range(0, hung, len(WORKERS)) for death in _kill_each_while_hung(stage)]
            with stage.database() as connection:
                moves = audit.moves(connection)
    return [*_rows("", recovery(moves, up)), *_rows(", broker hung (SIGSTOP)", recovery(moves, away))]


def _kill_each(stage: Stage) -> list[Struck]:
    """Kill one worker, and a little later the other; returns when what they held was claimed again."""
    _have_work(stage)
    deaths = []
    for worker in WORKERS:
        deaths.append(_strike(stage, worker))
        _let_go_on(stage, _BETWEEN)
    for death in deaths:
        _wait_until_claimed(stage, death.pid)
    return deaths


def _kill_each_while_hung(stage: Stage) -> list[Struck]:
    """The same, while the broker does not answer; whatever it holds up is held up until it goes on."""
    stage.wait(stage.is_whole)
    stage.child(VALKEY).send(signal.SIGSTOP)
    try:
        _let_go_on(stage, _BETWEEN)
        return _kill_each(stage)
    finally:
        stage.child(VALKEY).send(signal.SIGCONT)


def _let_go_on(stage: Stage, seconds: float) -> None:
    """Start again what died, for some time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        stage.tend()
        time.sleep(0.05)


def _strike(stage: Stage, worker: str) -> Struck:
    """Stop the worker again and again until it stands still with chunks in hand; then kill it."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        stage.child(worker).send(signal.SIGSTOP)
        if _count(stage, _HELD, f"%-{stage.pid(worker)}-%"):
            break
        stage.child(worker).send(signal.SIGCONT)
        assert time.monotonic() < deadline, f"{worker} claims nothing"
        _let_go_on(stage, 0.03)
    death = Struck(Strike(0, DEADLY, worker, 0), datetime.now(UTC), stage.pid(worker))
    stage.child(worker).send(signal.SIGKILL)
    return death


def _wait_until_claimed(stage: Stage, dead: int) -> None:
    """Wait until nothing is on a lease of the dead worker, and what was is computed or done."""
    held = f"%-{dead}-%"
    statement = (
        "SELECT count(*) FROM chunks WHERE state IN ('queued', 'running') AND id::text IN "
        "(SELECT subject FROM storm_moves WHERE kind = 'chunk' AND owner LIKE %s) "
        "AND (state = 'queued' OR owner LIKE %s)"
    )
    deadline = time.monotonic() + _PATIENCE
    while _count(stage, statement, held, held) and time.monotonic() < deadline:
        stage.tend()
        time.sleep(0.05)


def _have_work(stage: Stage) -> None:
    """Have so much wait that both workers are busy for as long as a kill lasts."""
    while _count(stage, _WAITING) < _LEAST_WAITING:
        query = query_of(_SAMPLES, "mean estimation", 1)
        headers = {"Authorization": f"Bearer {stage.keys[0]}"}
        answer = httpx.post(f"{stage.urls[0]}/api/models/{MODEL}/predict", json=query, headers=headers)
        assert answer.status_code == 202, answer.text


def _count(stage: Stage, statement: str, *values: str) -> int:
    with stage.database() as connection:
        ((found,),) = connection.execute(statement, values).fetchall()
    return int(found)


def _rows(how: str, idle: Sequence[Idle]) -> list[Row]:
    claimed, back = [one.claimed for one in idle], [one.taken_back for one in idle]
    kills = len({one.death.pid for one in idle})
    worst = quantile(claimed, 0.99)
    return [
        Row(
            f"a dead worker's chunks: claimed again{how}",
            f"p50 {quantile(claimed, 0.5):.1f} s, p99 {worst:.1f} s, {kills} kills, {len(idle)} chunks",
            judged(f"goal {GOAL_SECONDS:.0f} s", worst < GOAL_SECONDS),
        ),
        Row(
            f"a dead worker's chunks: taken back by upkeep{how}",
            f"p50 {quantile(back, 0.5):.1f} s, p99 {quantile(back, 0.99):.1f} s",
            "lease 10 s, renewed every 2 s; upkeep looks every 2 s",
        ),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS, help="kills with the broker up")
    parser.add_argument("--hung", type=int, default=HUNG_KILLS, help="kills while the broker is hung")
    asked = parser.parse_args()
    main(asked.kills, asked.hung)
