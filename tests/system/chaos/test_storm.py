"""A short storm of every kind of fault and act, and the storms that once broke something."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.system.chaos.acts import all_acts
from tests.system.chaos.audit import Move
from tests.system.chaos.books import Books
from tests.system.chaos.faults import FAULTS
from tests.system.chaos.invariants import check
from tests.system.chaos.ledger import Broken
from tests.system.chaos.questions import Sizes
from tests.system.chaos.report import page
from tests.system.chaos.stage import Stage, running_stage
from tests.system.chaos.storm import Outcome, Weather, storm_on

# The seed deals nearly every fault within its time.
SHORT = Weather(
    seed=208,
    seconds=40,
    gap=1.8,
    customers=5,
    acts=len(all_acts()) - 5,
    jobs=21,
    sizes=Sizes(middling=(20, 80), bulk=(150, 600)),
)
KEPT: list[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("seeds.toml").read_text()).get(
    "storm", []
)


@pytest.fixture(scope="module")
def storms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with running_stage(tmp_path_factory.mktemp("storms"), SHORT.plan) as made:
        yield made


@pytest.fixture(scope="module")
def short(storms: Stage) -> Outcome:
    return storm_on(storms, SHORT)


def test_a_short_storm_breaks_no_promise(short: Outcome) -> None:
    assert list(short.broken) == []
    assert len({one.strike.fault for one in short.struck}) >= len(FAULTS) - 6
    assert len(short.books.ledger.done) >= SHORT.acts
    assert len(short.books.ledger.accepted) >= SHORT.jobs


def _job(books: Books, **changes: object) -> Books:
    """The books with another row of a job that is ready."""
    job_id = next(job_id for job_id, job in books.jobs.items() if job["state"] == "ready")
    return replace(books, jobs={**books.jobs, job_id: {**books.jobs[job_id], **changes}})


def _chunk(books: Books, **changes: object) -> Books:
    """The books with another row of the first chunk of a ready job."""
    job_id = next(job_id for job_id, job in books.jobs.items() if job["state"] == "ready")
    first, *others = books.chunks[job_id]
    return replace(books, chunks={**books.chunks, job_id: [{**first, **changes}, *others]})


def _moves(books: Books, after: str) -> list[Move]:
    return [move for move in books.moves if move.kind == "chunk" and move.after == after]


def _without_a_job(books: Books) -> Books:
    lost = books.ledger.accepted[0].job_id
    jobs, chunks = dict(books.jobs), dict(books.chunks)
    del jobs[lost], chunks[lost]
    return replace(books, jobs=jobs, chunks=chunks)


def _without_an_event(books: Books) -> Books:
    job_id, events = next(iter(books.events.items()))
    return replace(books, events={**books.events, job_id: [*events[:1], *events[2:]]})


def _without_an_object(books: Books) -> Books:
    return _chunk(books, part_key="results/nowhere/part-000000-1.parquet")


def _with_an_orphan(books: Books) -> Books:
    return replace(books, objects={**books.objects, f"results/{next(iter(books.jobs))}/part-9-9.parquet": 1})


FORGERIES: list[tuple[str, Callable[[Books], Books]]] = [
    ("every accepted job is known", _without_a_job),
    ("every job is over", lambda books: _job(books, state="running")),
    ("every job ends as its customer asked", lambda books: _job(books, state="cancelled")),
    ("every job ends as its customer asked", lambda books: _job(books, state="failed", error="It broke.")),
    ("no input is guilty", lambda books: _job(books, samples_failed=1)),
    ("a ready job is whole", lambda books: _job(books, samples_done=0)),
    (
        "no chunk is completed twice",
        lambda books: replace(books, moves=[*books.moves, _moves(books, "done")[0]]),
    ),
    (
        "nothing is begun or done of a job that is over",
        lambda books: replace(books, moves=[*books.moves, _moves(books, "running")[0]]),
    ),
    (
        "no token is given twice",
        lambda books: replace(books, moves=[*books.moves, _moves(books, "running")[0]]),
    ),
    ("no move is illegal", lambda books: replace(books, moves=[replace(books.moves[0], before="done")])),
    ("events have no gaps", _without_an_event),
    ("events tell one life", _without_an_event),
    ("no lease is left", lambda books: _chunk(books, owner="somebody")),
    ("nothing waits of a job that is over", lambda books: _chunk(books, state="queued")),
    ("every row has its object", _without_an_object),
    ("every manifest is that of its rows", _without_an_object),
    ("every part equals the undisturbed one", lambda books: _chunk(books, part_sha256="0" * 64)),
    ("every object is named by a row", _with_an_orphan),
    ("a key has one job", lambda books: replace(books, keys={})),
]


@pytest.mark.parametrize(("promise", "forge"), FORGERIES, ids=[name for name, _ in FORGERIES])
def test_forged_books_break_the_promise_that(
    short: Outcome, promise: str, forge: Callable[[Books], Books]
) -> None:
    assert promise in {broken.promise for broken in check(forge(short.books))}


def test_the_report_names_what_was_broken_and_the_storm_that_had_no_end(short: Outcome) -> None:
    broken = replace(short, broken=[Broken("every job is over", "a job is running")])
    told = page([short, broken], {9: "AssertionError()"})
    assert "**1 stuck**" in told
    assert "- **every job is over**: a job is running" in told
    assert "The storm of seed 9 did not come to its end**: AssertionError()" in told
    assert "| stuck | 0 | 1 |" in told


@pytest.mark.parametrize("kept", KEPT, ids=lambda kept: f"seed-{kept['seed']}")
def test_a_storm_that_once_broke_a_promise_breaks_none(kept: dict[str, Any], storms: Stage) -> None:
    storms.clear()
    told = {name: kept[name] for name in ("seed", "seconds", "gap")}
    weather = replace(SHORT, acts=0, jobs=0, faults=tuple(kept.get("faults", FAULTS)), **told)
    assert list(storm_on(storms, weather).broken) == []
