"""Many small queries through a whole machine: does any process grow with them?

`python -m tests.benchmarks.bench_soak`: 20,000 queries of one sample of `gem-1-bulk`, about ten minutes; says
how far it is. The slope is that of least squares through the resident memory since the warm-up.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import orjson
import psutil
import psycopg

from cli.machine.folder import DataFolder
from tests.benchmarks.crowd import Letter, send
from tests.benchmarks.report import Row, as_markdown, judged
from tests.benchmarks.samples import query_of
from tests.support.machine import Machine

MODEL = "gem-1-bulk"
JOBS = 20_000
WARM_UP = 0.2  # of the jobs
WATCHED = ("api", "generation", "upkeep")
# A process that grows by a tenth of it with a hundred thousand queries.
GOAL_KB = 300.0
_CLIENTS, _MOST_OPEN, _LOOKS = 4, 400, 50
_PATIENCE = 60.0
_STATES = "SELECT state, count(*) FROM jobs GROUP BY state"


@dataclass(slots=True)
class Memory:
    """Resident memory in kB of each process, each time with the number of jobs that were done."""

    done: list[int] = field(default_factory=list)
    kilobytes: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in WATCHED})

    def look(self, processes: dict[str, psutil.Process], done: int) -> None:
        """Note what each holds now."""
        self.done.append(done)
        for name, process in processes.items():
            self.kilobytes[name].append(process.memory_info().rss / 1e3)

    def slope(self, name: str, after: int) -> float:
        """How many kB it grew by with each 1,000 jobs, from so many jobs on; by least squares."""
        jobs, held = np.array(self.done), np.array(self.kilobytes[name])
        late = jobs >= after
        return float(1e3 * np.polyfit(jobs[late], held[late], 1)[0])


def main(jobs: int = JOBS) -> None:
    """Print how far it is, then the table."""
    print("\n" + as_markdown(measure(jobs, lambda line: print(line, flush=True))))


def measure(jobs: int = JOBS, say: Callable[[str], None] = lambda _: None) -> list[Row]:
    """Every row of this benchmark."""
    memory, began = Memory(), time.monotonic()
    with _machine() as (machine, database):
        processes = {name: psutil.Process(machine.processes[name]) for name in WATCHED}
        for done in _submitted(machine, database, jobs):
            memory.look(processes, done)
            held = ", ".join(f"{name} {values[-1] / 1e3:.0f} MB" for name, values in memory.kilobytes.items())
            say(f"{done:,} of {jobs:,} done after {time.monotonic() - began:.0f} s: {held}")
        assert all(process.is_running() for process in processes.values()), (
            "a process did not live to the end"
        )
        states = dict(database.execute(_STATES).fetchall())
    seconds = time.monotonic() - began
    ended = ", ".join(f"{count:,} {state}" for state, count in states.items())
    first = Row(f"{jobs:,} queries of one sample", f"{ended}; {jobs / seconds:.0f}/s", f"{seconds:.0f} s")
    return [first, *_rows(memory, jobs)]


@contextmanager
def _machine() -> Iterator[tuple[Machine, psycopg.Connection]]:
    with TemporaryDirectory(prefix="genequeue-bench-") as name:
        Path(name).chmod(0o711)  # Where we are root, Postgres is another user.
        with Machine(Path(name, "data")) as machine:
            url = DataFolder(machine.data_dir).read_state().database_url
            with psycopg.connect(url, autocommit=True) as database:
                yield machine, database


def _submitted(machine: Machine, database: psycopg.Connection, jobs: int) -> Iterator[int]:
    """Submit so many jobs, never too many ahead of the worker; says again and again how many are done."""
    query = query_of(1, "mean estimation", 1)
    headers = {"Authorization": f"Bearer {machine.key}"}
    letter = Letter.post(f"{machine.url}/api/models/{MODEL}/predict", headers, orjson.dumps(query))
    sent = done = told = 0
    last_progress = time.monotonic()
    while done < jobs:
        if sent < jobs and sent - done < _MOST_OPEN:
            some = send(letter, _CLIENTS, times=min(_MOST_OPEN // 2, jobs - sent))
            assert set(some.statuses) == {202}, some.statuses
            sent += some.statuses.total()
        states = dict(database.execute(_STATES).fetchall())
        if states.get("ready", 0) > done:
            done, last_progress = states["ready"], time.monotonic()
        assert time.monotonic() < last_progress + _PATIENCE, f"nothing is done any more: {states}"
        if done >= told + jobs // _LOOKS or done == jobs:
            told = done
            yield done
        else:
            time.sleep(0.05)


def _rows(memory: Memory, jobs: int) -> list[Row]:
    rows = []
    for name in WATCHED:
        slope, held = memory.slope(name, int(WARM_UP * jobs)), memory.kilobytes[name]
        goal = f"goal {GOAL_KB:.0f} kB at most"
        figure = f"{slope:+.0f} kB with 1,000 queries"
        rows.append(Row(f"memory of {name}", figure, f"{judged(goal, slope <= GOAL_KB)}; {_span(held)}"))
    return rows


def _span(held: Sequence[float]) -> str:
    return f"{held[0] / 1e3:.0f} MB at first, {held[-1] / 1e3:.0f} MB at the end"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=JOBS, help="queries of one sample each")
    main(parser.parse_args().jobs)
