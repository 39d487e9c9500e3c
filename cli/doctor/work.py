"""The rows: who is alive, does anybody hold what waits, are leases taken back, does every job move?"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from cli.doctor.finding import Finding, Verdict, ago, count, ok, warning, wrong
from cli.doctor.installation import Installation
from shared.database.engines import transaction
from shared.database.queries import diagnosis
from shared.jobs.states import ChunkState

_ALIVE = timedelta(seconds=15)  # Workers say so every two seconds.
_WAITING_LONG = timedelta(seconds=30)
_SWEPT_WITHIN = timedelta(seconds=10)  # Upkeep looks every two seconds.
_MOVED_WITHIN = timedelta(seconds=30)
_NAMED = 5
_MOMENT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class KnownWorker:
    """A worker that has not retired: what it computes on, the versions of each public id, its silence."""

    id: str
    device: str
    models: Mapping[str, Sequence[int]]
    silence: timedelta

    @property
    def alive(self) -> bool:
        """Whether it was heard of lately."""
        return self.silence < _ALIVE


@dataclass(frozen=True, slots=True)
class Waiting:
    """Chunks of one version of a model and lane in one state; the oldest was queued `age` ago."""

    model_id: str
    version: int
    lane: str
    state: str
    chunks: int
    samples: int = field(compare=False)
    age: timedelta = field(compare=False)


def examine_workers(place: Installation) -> Iterator[Finding]:
    """Which generation workers are alive, and what they hold."""
    with transaction(place.engine) as session:
        workers = _workers(session)
    yield from judge_workers(workers, place.log("generation"))


def judge_workers(workers: Sequence[KnownWorker], log: str) -> Iterator[Finding]:
    """One finding for those that are alive, one for each that fell silent."""
    alive = [worker for worker in workers if worker.alive]
    for worker in workers:
        if not worker.alive:
            found = f"Worker {worker.id} was last heard of {ago(worker.silence)} ago."
            yield warning("workers", found, f"It hangs or was killed; others take over its work. {log}")
    if alive:
        said = "; ".join(
            f"{worker.id} on {worker.device}, heard of {ago(worker.silence)} ago" for worker in alive
        )
        held = {
            f"{model} {version}"
            for worker in alive
            for model, versions in worker.models.items()
            for version in versions
        }
        yield ok(
            "workers",
            f"{count(len(alive), 'live worker')}: {said}. Held: {', '.join(sorted(held)) or 'nothing'}.",
        )
    else:
        remedy = f"Start one with `genequeue up` or `python -m worker.gpu`. {log}"
        yield wrong("workers", "No generation worker is alive: queries wait.", remedy)


def examine_upkeep(place: Installation) -> Iterator[Finding]:
    """Whether an upkeep worker is alive, and sweeps."""
    with transaction(place.engine) as session:
        silences = [silence for _, silence in session.execute(diagnosis.known_upkeep())]
    yield judge_upkeep(silences, place.log("upkeep"))


def judge_upkeep(silences: Sequence[timedelta], log: str) -> Finding:
    """Given how long ago each upkeep worker's last sweep went through."""
    alive = [silence for silence in silences if silence < _ALIVE]
    if alive:
        return ok("upkeep", f"{count(len(alive), 'live upkeep worker')}, last sweep {ago(min(alive))} ago.")
    last = f"the last sweep was {ago(min(silences))} ago" if silences else "none has swept for minutes"
    return wrong(
        "upkeep",
        f"No upkeep worker is alive, {last}: what dead workers held waits, nothing is deleted.",
        f"Start one with `genequeue up` or `python -m worker.cpu`. {log}",
    )


def examine_queue(place: Installation) -> Iterator[Finding]:
    """Whether somebody alive holds what waits, and takes it."""
    findings = _look_at_queue(place)
    if any(finding.verdict is Verdict.WRONG for finding in findings):
        # Between two batches nothing is in hand for a moment.
        time.sleep(_MOMENT_SECONDS)
        findings = _look_at_queue(place)
    yield from findings


def _look_at_queue(place: Installation) -> list[Finding]:
    with transaction(place.engine) as session:
        work = [Waiting(*row) for row in session.execute(diagnosis.open_work())]
        workers = _workers(session)
    return list(judge_queue(work, workers))


def judge_queue(work: Sequence[Waiting], workers: Sequence[KnownWorker]) -> Iterator[Finding]:
    """One finding for each model that waits in vain, else one for the whole queue."""
    queued = [item for item in work if item.state == ChunkState.QUEUED]
    running = [item for item in work if item.state == ChunkState.RUNNING]
    stuck = False
    for item in queued:
        if item.age < _WAITING_LONG:
            continue
        found = (
            f"{count(item.chunks, 'chunk')} of {item.model_id} version {item.version} wait "
            f"in the {item.lane} lane, the oldest for {ago(item.age)}"
        )
        if not any(_holds(worker, item) for worker in workers):
            stuck = True
            remedy = (
                "Start a worker that has this version, or add it again with `genequeue models add`; "
                "a worker's log says why it could not load a model."
            )
            yield wrong("queue", f"{found}, and no live worker holds it.", remedy)
        elif not running:
            stuck = True
            remedy = "Restart the workers that hold it; their logs say what they did last."
            yield wrong("queue", f"{found}; live workers hold it and compute nothing.", remedy)
    if not stuck:
        yield ok("queue", _queue_in_words(queued, running))


def _queue_in_words(queued: Sequence[Waiting], running: Sequence[Waiting]) -> str:
    samples = sum(item.samples for item in queued)
    in_hand = sum(item.samples for item in running)
    oldest = max((item.age for item in queued), default=timedelta())
    waits = f"{count(samples, 'sample')} wait, the oldest for {ago(oldest)}" if queued else "Nothing waits"
    return f"{waits}; {count(in_hand, 'sample')} in hand."


def _holds(worker: KnownWorker, item: Waiting) -> bool:
    return worker.alive and item.version in worker.models.get(item.model_id, ())


def examine_leases(place: Installation) -> Iterator[Finding]:
    """Whether upkeep takes back what the dead held."""
    with transaction(place.engine) as session:
        overdue, latest = session.execute(diagnosis.overdue_leases(_SWEPT_WITHIN)).one()
        abandoned = session.scalars(diagnosis.abandoned_leases(_ALIVE)).one()
    yield judge_leases(overdue, latest or timedelta(), abandoned, place.log("upkeep"))


def judge_leases(overdue: int, latest: timedelta, abandoned: int, log: str) -> Finding:
    """Leases that ran out and were not taken back, and those whose owner fell silent."""
    if overdue:
        found = (
            f"{count(overdue, 'lease')} ran out, up to {ago(latest)} ago, and upkeep did not take them back."
        )
        return wrong("leases", found, f"Start upkeep with `python -m worker.cpu`. {log}")
    if abandoned:
        found = f"{count(abandoned, 'chunk')} run on a lease whose worker is silent."
        return warning("leases", found, "Upkeep takes them back when the lease ends, within seconds.")
    return ok("leases", "Every lease is held by a live worker; none is overdue.")


def examine_jobs(place: Installation) -> Iterator[Finding]:
    """Whether every job that is not over has a chunk that can still move it."""
    with transaction(place.engine) as session:
        rows = session.execute(diagnosis.unmoved_jobs(_MOVED_WITHIN, _NAMED)).all()
    yield judge_jobs([(job_id, state, chunks) for job_id, state, chunks in rows])


def judge_jobs(unmoved: Sequence[tuple[UUID, str, int]]) -> Finding:
    """Job, state and number of chunks of those that nothing moves; the first few."""
    if not unmoved:
        return ok("jobs", "Every job that is not over has chunks to move it.")
    said = "; ".join(
        f"{job_id} is {state} with {count(chunks, 'chunk')}, none of them open"
        for job_id, state, chunks in unmoved
    )
    remedy = (
        "This is a fault of GeneQueue: keep the logs of that time, report it, and submit the query again."
    )
    return wrong("jobs", f"{said}.", remedy)


def _workers(session: Session) -> list[KnownWorker]:
    return [KnownWorker(*row) for row in session.execute(diagnosis.known_workers())]
