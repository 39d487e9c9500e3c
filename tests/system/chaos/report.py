"""A storm as a page that somebody reads: what was done, what was asked, what it cost, what was broken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from shared.jobs.states import JobState
from tests.system.chaos.invariants import unnamed_objects
from tests.system.chaos.recovery import quantile
from tests.system.chaos.storm import Outcome

# The four words of the promise, and the checks that stand for each.
_WORDS = {
    "lost": ("every accepted job is known", "every good query is ready", "a ready job is whole"),
    "doubled": ("no chunk is completed twice", "no token is given twice"),
    "different": ("every part equals the undisturbed one", "every row has its object"),
    "stuck": ("every job is over", "no lease is left"),
}


def page(outcomes: Sequence[Outcome]) -> str:
    """The whole report in Markdown: a column a storm."""
    seeds = [f"seed {outcome.weather.seed}" for outcome in outcomes]
    lines = [*_opening(outcomes), *_table("what was broken", seeds, [counts(one) for one in outcomes])]
    lines += _table("measure", seeds, [_measures(one) for one in outcomes])
    lines += _table("strike", seeds, [Counter(hit.strike.fault for hit in one.struck) for one in outcomes])
    lines += _table("what a call met", seeds, [one.books.ledger.answers for one in outcomes])
    if not all(one.bounded_disk for one in outcomes):
        lines += ["The disk was never full: this run had no right to mount one of its own.", ""]
    lines += [f"- **{case.promise}**: {case.case}" for one in outcomes for case in one.broken[:50]]
    return "\n".join(lines).rstrip() + "\n"


def counts(outcome: Outcome) -> dict[str, int]:
    """How many cases of lost, doubled, different, stuck, and of anything else."""
    broken = Counter(one.promise for one in outcome.broken)
    told = {word: sum(broken[promise] for promise in promises) for word, promises in _WORDS.items()}
    return {**told, "anything else": sum(broken.values()) - sum(told.values())}


def _opening(outcomes: Sequence[Outcome]) -> Iterator[str]:
    totals = Counter[str]()
    for outcome in outcomes:
        totals.update(counts(outcome))
    verdict = ", ".join(f"**{count} {word}**" for word, count in totals.items())
    jobs = sum(len(outcome.books.jobs) for outcome in outcomes)
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    strikes = sum(len(outcome.struck) for outcome in outcomes)
    yield from (
        "# Reliability",
        "",
        "Once the API has said 202, the work is done exactly once, and its result equals an undisturbed run",
        "byte for byte, whatever dies. This page is what `make chaos` saw of that promise.",
        "",
        f"{today}: {len(outcomes)} storm(s), {jobs} jobs, {strikes} strikes: {verdict}.",
        "",
        "**A storm** is Postgres, Valkey, two API processes, two generation workers and one upkeep worker",
        "under a supervisor that starts again what dies, in about a second. Customers ask small models for",
        "one sample to thousands, of both modalities and both strategies, from five workspaces; they poll,",
        "download, and stream. An adversary strikes every few seconds. All of it is drawn from the seed; how",
        "the threads interleave is not.",
        "",
        "**The check** comes when the storm is over and nothing is left to do. Every result is compared with",
        "that of the same query in peace: each part by its SHA-256, and the JSON as its owner reads it.",
        "Triggers keep a second set of books of every move of every job and chunk, which the product knows",
        "nothing of. Leases last three seconds here, instead of ten. The promises, one by one, are the",
        "functions of `tests/system/chaos/invariants.py`.",
        "",
        "Not counted as broken: objects that a lost attempt left under its own token. No row names them, so",
        "no result can hold them; upkeep deletes them an hour later.",
        "",
    )


def _measures(outcome: Outcome) -> dict[str, object]:
    books = outcome.books
    attempts = [chunk["attempts"] for chunks in books.chunks.values() for chunk in chunks]
    left = unnamed_objects(books)
    claimed = [idle.claimed for idle in outcome.idle]
    taken_back = [idle.taken_back for idle in outcome.idle]
    return {
        "minutes": f"{outcome.weather.seconds / 60:.1f}",
        "jobs": len(books.jobs),
        "jobs whose 202 a customer saw": len(books.ledger.accepted),
        "jobs that are not ready": sum(job["state"] != JobState.READY for job in books.jobs.values()),
        "samples": sum(job["samples_done"] for job in books.jobs.values()),
        "chunks": len(attempts),
        "chunks that were begun more than once": sum(count > 1 for count in attempts),
        "attempts of a chunk, at most": max(attempts, default=0),
        "chunks that a worker held when kill -9 met it": len(claimed),
        "until they were claimed again, p50": f"{quantile(claimed, 0.5):.1f} s",
        "until they were claimed again, p99": f"{quantile(claimed, 0.99):.1f} s",
        "of that, until upkeep took them back, p99": f"{quantile(taken_back, 0.99):.1f} s",
        "from the end of the storm to that of the last job": f"{outcome.calm_after:.1f} s",
        "objects of lost attempts, named by no row": len(left),
        "their bytes": sum(left.values()),
    }


def _table(title: str, columns: Sequence[str], values: Sequence[Mapping[str, object]]) -> list[str]:
    """A row a name, in the order in which names first come; what a column lacks is 0."""
    names = dict.fromkeys(name for column in values for name in column)
    head = [f"| {title} | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
    rows = [f"| {name} | {' | '.join(str(column.get(name, 0)) for column in values)} |" for name in names]
    return [*head, *rows, ""]
