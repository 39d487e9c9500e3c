"""A claimed chunk with everything that computing it needs: frozen values, no rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from shared.jobs.chunks import ChunkPlan, Run, runs_of_chunk
from shared.jobs.lanes import Lane
from shared.queries.requests import RequestType
from shared.queries.spec import SamplingStrategy
from shared.results.specimens import INPUTS_AT_ONCE, specimens_key
from shared.sheets.sheet import SheetRef, SheetRow
from worker.generation.conditions import Condition
from worker.generation.sheets import Sheets


@dataclass(frozen=True, slots=True)
class StoredSpecimens:
    """An object in the storage with the counts of consecutive inputs, and its SHA-256 in hex."""

    key: str
    first_input: int
    sha256: str

    def holds_any(self, inputs: Iterable[int]) -> bool:
        """Whether the counts of some of these inputs lie in it."""
        return any(0 <= index - self.first_input < INPUTS_AT_ONCE for index in inputs)


@dataclass(frozen=True, slots=True)
class Work:
    """A chunk that this worker owns under a fencing token.

    Of a large job the conditions lie in `sheets`, and there are none here until they were read. A run's
    `input_index` counts within `conditions`. Where the inputs bring counts along, these lie in `specimens`,
    in order, and `total_count` holds only where `fixed_total_count`: elsewhere a sample is as large as its
    specimen. `conditioning` names the latents that come from the specimens, `input_digests` are those of all
    of the job's specimens. Where `custom_ids`, every row of the result says what the query calls its input.
    """

    chunk_id: int
    token: int
    job_id: UUID
    position: int
    attempt: int
    model_id: str
    model_version: int
    first_sample: int
    num_samples: int
    sampling_strategy: SamplingStrategy
    total_count: int
    deterministic_latents: bool
    seed: int
    conditions: tuple[Condition, ...] = ()
    runs: tuple[Run, ...] = ()
    sheets: tuple[SheetRef, ...] = ()
    request_type: RequestType = RequestType.BASELINE
    conditioning: tuple[str, ...] = ()
    fixed_total_count: bool = False
    specimens: tuple[StoredSpecimens, ...] = ()
    input_digests: tuple[str, ...] = ()
    custom_ids: bool = False
    lane: Lane = Lane.INTERACTIVE
    request_id: str | None = None
    waited: timedelta = timedelta()  # from queued to claimed, by the database's clock

    def read(self, sheets: Sheets) -> Work:
        """The work with its conditions, which lie in sheets. Raises InputDamaged, StorageUnavailable."""
        return self.over(sheets.rows(self.sheets, self.first_sample, self.num_samples))

    def over(self, rows: Sequence[SheetRow]) -> Work:
        """The work with its conditions: those that its samples overlap, in order."""
        plan = ChunkPlan(self.position, self.first_sample, self.num_samples)
        runs = runs_of_chunk([row.first_sample for row in rows], [row.num_samples for row in rows], plan)
        return replace(
            self,
            conditions=tuple(map(Condition.of, rows)),
            runs=tuple(runs),
            specimens=tuple(self._specimens_of(rows)),
        )

    def only(self, inputs: Collection[int]) -> Work:
        """The part of the work that belongs to these inputs, by their places in the job."""
        kept = [place for place, each in enumerate(self.conditions) if each.input_index in inputs]
        places = {place: number for number, place in enumerate(kept)}
        runs = [
            replace(run, input_index=places[run.input_index])
            for run in self.runs
            if run.input_index in places
        ]
        return replace(
            self,
            num_samples=sum(run.count for run in runs),
            conditions=tuple(self.conditions[place] for place in kept),
            runs=tuple(runs),
            specimens=tuple(each for each in self.specimens if each.holds_any(inputs)),
        )

    def halves(self) -> tuple[Work, Work]:
        """The first half of its samples, and the second; there must be two samples."""
        middle = self.num_samples // 2
        return self._cut(0, middle), self._cut(middle, self.num_samples)

    def _cut(self, first: int, stop: int) -> Work:
        """Samples from `first` up to `stop`; conditions without a sample go."""
        runs, begin = [], 0
        for run in self.runs:
            low, high = max(first, begin), min(stop, begin + run.count)
            if low < high:
                runs.append(replace(run, first=run.first + low - begin, count=high - low))
            begin += run.count
        kept = {self.inputs[run.input_index] for run in runs}
        return replace(self, runs=tuple(runs)).only(kept)

    def _specimens_of(self, rows: Sequence[SheetRow]) -> Iterator[StoredSpecimens]:
        """The objects with the counts of these inputs; none where the job's inputs bring none along."""
        numbers = sorted({row.position // INPUTS_AT_ONCE for row in rows}) if self.input_digests else []
        for number in numbers:
            first = number * INPUTS_AT_ONCE
            yield StoredSpecimens(specimens_key(self.job_id, first), first, self.input_digests[number])

    @property
    def inputs(self) -> tuple[int, ...]:
        """The places of the inputs in the job, in order."""
        return tuple(condition.input_index for condition in self.conditions)

    @property
    def ids(self) -> dict[str, object]:
        """What every log line about this chunk carries."""
        return {
            "job": str(self.job_id),
            "request_id": self.request_id,
            "chunk": self.position,
            "attempt": self.attempt,
            "model": self.model_id,
            "version": self.model_version,
        }

    @property
    def lease(self) -> tuple[int, int]:
        """Chunk id and token: what proves ownership."""
        return self.chunk_id, self.token
