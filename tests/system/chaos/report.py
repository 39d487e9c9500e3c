"""A storm as a page that somebody reads: what was done, what was asked, what it cost, what was broken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType

from tests.system.chaos.recovery import quantile
from tests.system.chaos.storm import Outcome

# The four words of the promise, and the checks that stand for each.
_WORDS = {
    "lost": (
        "every accepted job is known",
        "every job ends as its customer asked",
        "a ready job is whole",
        "no input is guilty",
    ),
    "doubled": ("no chunk is completed twice", "no token is given twice", "a key has one job"),
    "different": ("every part equals the undisturbed one", "every row has its object"),
    "stuck": ("every job is over", "no lease is left", "nothing waits of a job that is over"),
}


def page(outcomes: Sequence[Outcome], unfinished: Mapping[int, str] = MappingProxyType({})) -> str:
    """The whole report in Markdown: a column a storm. `unfinished` says why a seed's storm has no end."""
    seeds = [f"seed {outcome.weather.seed}" for outcome in outcomes]
    lines = [*_opening(outcomes)]
    lines += [
        f"**The storm of seed {seed} did not come to its end**: {why}\n" for seed, why in unfinished.items()
    ]
    lines += _table("what was broken", seeds, [counts(one) for one in outcomes])
    lines += _table("measure", seeds, [_measures(one) for one in outcomes])
    lines += _counted("strike", seeds, [Counter(hit.strike.fault for hit in one.struck) for one in outcomes])
    lines += _counted("act that came to its end", seeds, [_acts(one) for one in outcomes])
    lines += _counted("how a job ended", seeds, [_ends(one) for one in outcomes])
    lines += _counted("what a call met", seeds, [one.books.ledger.answers for one in outcomes])
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
    totals = _sum(counts(outcome) for outcome in outcomes)
    verdict = ", ".join(f"**{count} {word}**" for word, count in totals.items())
    jobs = sum(len(outcome.books.jobs) for outcome in outcomes)
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    faults = [hit.strike.fault for outcome in outcomes for hit in outcome.struck]
    kills = sum("killed" in fault for fault in faults)
    yield from (
        "# Reliability",
        "",
        "Once the API has said 202, the work is done exactly once, and its result equals an undisturbed run",
        "byte for byte, whatever dies. This page is what `make chaos` saw of that promise.",
        "",
        f"{today}: {len(outcomes)} storm(s), {jobs} jobs, {len(faults)} strikes, {kills} of them kill -9:",
        f"{verdict}.",
        "",
        "**A storm** is Postgres, Valkey, two API processes, two generation workers and one upkeep worker",
        "under a supervisor that starts again what dies, in about a second. Customers of five workspaces",
        "ask two small models for one sample to thousands, under all six ids. They poll, wait for",
        "changes, follow events, stream, list; they cancel, delete, set deadlines, try failures again,",
        "send one query several times under one key, and make mistakes. An adversary strikes every few",
        "seconds. All of it is drawn from the seed; how the threads interleave is not.",
        "",
        "**The check** comes when the storm is over and nothing is left to do. A job may have ended only",
        "as its customer asked: ready, but for those that were cancelled or deleted, or had a deadline",
        "that was over. Every part, of cancelled jobs too, is compared with that of the same query in",
        "peace by its SHA-256, and the JSON as its owner reads it. Triggers keep a second set of books of",
        "every move of every job and chunk, which the product knows nothing of. Leases last three seconds",
        "here, instead of ten. The promises, one by one, are the functions of",
        "`tests/system/chaos/invariants.py`.",
        "",
        "What an attempt that was lost had stored under its own token is named by no row, so no result",
        "can hold it. Upkeep sweeps it an hour later; here its sweep runs at once, and nothing may be",
        "left then.",
        "",
        "Times are those of a storm: what a dead worker held may have to wait until Postgres is back, or",
        "until one of two dead workers is. `tests/system/chaos/test_recovery.py` has the quiet case.",
        "",
    )


def _measures(outcome: Outcome) -> dict[str, object]:
    books = outcome.books
    attempts = [chunk["attempts"] for chunks in books.chunks.values() for chunk in chunks]
    claimed = [idle.claimed for idle in outcome.idle]
    taken_back = [idle.taken_back for idle in outcome.idle]
    return {
        "minutes": f"{outcome.weather.seconds / 60:.1f}",
        "jobs": len(books.jobs),
        "jobs whose 202 a customer saw": len(books.ledger.accepted),
        "samples": sum(job["samples_done"] for job in books.jobs.values()),
        "chunks": len(attempts),
        "chunks that were begun more than once": sum(count > 1 for count in attempts),
        "attempts of a chunk, at most": max(attempts, default=0),
        "chunks that a worker held when kill -9 met it": len(claimed),
        "until they were claimed again, p50": f"{quantile(claimed, 0.5):.1f} s",
        "until they were claimed again, p99": f"{quantile(claimed, 0.99):.1f} s",
        "of that, until upkeep took them back, p99": f"{quantile(taken_back, 0.99):.1f} s",
        "from the end of the storm to that of the last job": f"{outcome.calm_after:.1f} s",
        "cancels that ended a job": len(outcome.cancels),
        "until nothing of it was queued or running, p50": f"{quantile(outcome.cancels, 0.5):.2f} s",
        "until nothing of it was queued or running, p99": f"{quantile(outcome.cancels, 0.99):.2f} s",
        "keys under which a query was sent several times": len(books.ledger.keys),
        "objects of lost attempts, swept": outcome.swept.results,
        "submits that were never committed, their counts swept": outcome.swept.submits,
    }


def _acts(outcome: Outcome) -> Counter[str]:
    return Counter({act.replace("_", " "): count for act, count in outcome.books.ledger.done.items()})


def _ends(outcome: Outcome) -> Counter[str]:
    """`expired` is deleted, by its owner."""
    return Counter(job["state"] for job in outcome.books.jobs.values())


def _sum(columns: Iterable[Mapping[str, int]]) -> Counter[str]:
    total = Counter[str]()
    for column in columns:
        total.update(column)
    return total


def _counted(title: str, seeds: Sequence[str], columns: Sequence[Counter[str]]) -> list[str]:
    """A table of counts, the most frequent first, with their sums where there are several columns."""
    total = _sum(columns)
    ordered = [{name: column[name] for name, _ in total.most_common()} for column in columns]
    return (
        _table(title, [*seeds, "all"], [*ordered, total])
        if len(columns) > 1
        else _table(title, seeds, ordered)
    )


def _table(title: str, columns: Sequence[str], values: Sequence[Mapping[str, object]]) -> list[str]:
    """A row a name, in the order in which names first come; what a column lacks is 0."""
    names = dict.fromkeys(name for column in values for name in column)
    head = [f"| {title} | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
    rows = [f"| {name} | {' | '.join(str(column.get(name, 0)) for column in values)} |" for name in names]
    return [*head, *rows, ""]
