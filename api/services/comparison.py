"""What came of running a job again: whether its parts are those of the original. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

import pyarrow as pa
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.concurrency import run_in_threadpool

from shared.database.queries.reproducing import outcomes_of
from shared.database.tables import Job
from shared.jobs.states import FINAL_JOB_STATES, JobState
from shared.results.part import decode_part
from shared.storage.port import Storage


class Verdict(StrEnum):
    """What is known of a reproduction."""

    RUNNING = "running"
    SAME = "same"
    DIFFERENT = "different"
    UNKNOWN = "unknown"  # it was not computed whole, or what it is compared with is gone


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a chunk; neither key nor digest where it has no part."""

    first_sample: int
    num_samples: int
    key: str | None
    sha256: str | None
    device: str | None

    @property
    def end(self) -> int:
        """The first sample behind it."""
        return self.first_sample + self.num_samples


@dataclass(frozen=True, slots=True)
class Reproduction:
    """How a job compares with the one that it runs again, by its id; `note` says what else to know."""

    query: UUID
    state: Verdict
    parts: int = 0
    different_parts: int = 0
    note: str | None = None


Stretch = tuple[Sequence[Outcome], Sequence[Outcome]]
Read = Callable[[str], bytes]  # an object by its key; raises KeyError


async def reproduction_of(session: AsyncSession, storage: Storage, job: Job) -> Reproduction | None:
    """How a job compares with its original; None for one that reproduces none.

    Raises DatabaseUnavailable and, where parts have to be read, StorageUnavailable.
    """
    if job.reproduces_id is None:
        return None
    if job.state not in FINAL_JOB_STATES:
        return Reproduction(job.reproduces_id, Verdict.RUNNING)
    if job.state not in {JobState.READY, JobState.EXPIRED}:
        return Reproduction(job.reproduces_id, Verdict.UNKNOWN, note=f"It ended as {job.state}.")
    theirs = [Outcome(*row) for row in await session.execute(outcomes_of(job.reproduces_id))]
    ours = [Outcome(*row) for row in await session.execute(outcomes_of(job.id))]
    return await run_in_threadpool(compare, job.reproduces_id, theirs, ours, storage.get)


def compare(original: UUID, theirs: Sequence[Outcome], ours: Sequence[Outcome], read: Read) -> Reproduction:
    """Rows where digests do not tell.

    A chunk that took its worker down is cut further, and another version of a library may write the same rows
    as other bytes.
    """
    verdicts = [_verdict(stretch, read) for stretch in stretches(theirs, ours)]
    different = verdicts.count(Verdict.DIFFERENT)
    unknown = verdicts.count(Verdict.UNKNOWN)
    state = Verdict.DIFFERENT if different else Verdict.UNKNOWN if unknown else Verdict.SAME
    note = _devices(theirs, ours)
    if unknown:
        note = (
            f"{unknown} parts are cut otherwise, and those of one of the two are gone. {note or ''}".strip()
        )
    return Reproduction(original, state, len(verdicts), different, note)


def stretches(theirs: Sequence[Outcome], ours: Sequence[Outcome]) -> Iterator[Stretch]:
    """The shortest runs of both that hold the same samples, in order."""
    one = other = 0
    while one < len(theirs) and other < len(ours):
        first, second = one + 1, other + 1
        while theirs[first - 1].end != ours[second - 1].end:
            if theirs[first - 1].end < ours[second - 1].end:
                first += 1
            else:
                second += 1
        yield theirs[one:first], ours[other:second]
        one, other = first, second


def _verdict(stretch: Stretch, read: Read) -> Verdict:
    theirs, ours = stretch
    cut_alike = len(theirs) == len(ours) == 1
    if cut_alike and theirs[0].sha256 == ours[0].sha256:
        return Verdict.SAME
    try:
        before, now = _rows(theirs, read), _rows(ours, read)
    except (KeyError, OSError, pa.ArrowInvalid):  # gone, or damaged since
        return Verdict.DIFFERENT if cut_alike else Verdict.UNKNOWN
    same = now is None if before is None else now is not None and before.equals(now)
    return Verdict.SAME if same else Verdict.DIFFERENT


def _rows(outcomes: Sequence[Outcome], read: Read) -> pa.Table | None:
    parts = [decode_part(read(each.key)) for each in outcomes if each.key is not None]
    return pa.concat_tables(parts) if parts else None


def _devices(theirs: Sequence[Outcome], ours: Sequence[Outcome]) -> str | None:
    """Equal bits are promised for one kind of device."""
    before, now = (sorted({each.device for each in some if each.device}) for some in (theirs, ours))
    if before == now:
        return None
    return (
        f"The original was computed on {' and '.join(before) or 'no device'}, this on "
        f"{' and '.join(now) or 'no device'}; equal results are promised for one kind of device."
    )
