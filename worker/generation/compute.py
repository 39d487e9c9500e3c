"""Computes a batch: which of an engine's questions a request type is, and the rows that its answer gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import structlog

from shared.errors import OutOfMemory
from shared.queries.requests import RequestType
from shared.results.forms import Rows
from shared.results.joining import join
from shared.storage.port import Storage
from worker.generation.plan import plan_batch, samples_of
from worker.generation.plan_specimens import plan_specimens, predictions_of
from worker.generation.specimens import fetch_specimens
from worker.generation.work import Work
from worker.inference.engine import Engine

log = structlog.get_logger()


def compute(engine: Engine, storage: Storage, works: Sequence[Work]) -> list[Rows]:
    """The rows of each chunk of a batch, all of one model and request type.

    Raises GenerationError, OutOfMemory, DeviceLost, InputDamaged, StorageUnavailable.
    """
    return list(_ANSWERS[works[0].request_type](engine, storage, works))


class Fitting:
    """Computes batches of any size in steps that fit the memory, and remembers what did not fit."""

    def __init__(self) -> None:
        self._most: int | None = None  # samples at once; None as long as everything fits

    def most(self, samples: int) -> int:
        """So many samples at once, or fewer."""
        return samples if self._most is None else min(samples, self._most)

    def compute(self, engine: Engine, storage: Storage, works: Sequence[Work]) -> list[Rows]:
        """As `compute` does, with the same bits; raises OutOfMemory only if not even one sample fits."""
        samples = sum(work.num_samples for work in works)
        if samples == self.most(samples):
            try:
                return compute(engine, storage, works)
            except OutOfMemory:
                if samples == 1:
                    raise
                self._most = samples // 2
                log.warning("memory.short", samples=samples, most=self._most)
            engine.free()  # here, where nothing holds on to what was computed
        if len(works) > 1:
            middle = len(works) // 2
            return [
                rows
                for part in (works[:middle], works[middle:])
                for rows in self.compute(engine, storage, part)
            ]
        first, second = works[0].halves()
        return [join(*self.compute(engine, storage, [first]), *self.compute(engine, storage, [second]))]


def _baseline(engine: Engine, _: Storage, works: Sequence[Work]) -> Iterator[Rows]:
    yield from samples_of(works, engine.generate(plan_batch(works)), engine.model.manifest.modality)


def _reference(engine: Engine, storage: Storage, works: Sequence[Work]) -> Iterator[Rows]:
    references = [fetch_specimens(storage, work, len(engine.model.genes)) for work in works]
    generated = engine.generate(plan_batch(works, references))
    yield from samples_of(works, generated, engine.model.manifest.modality)


def _recognition(engine: Engine, storage: Storage, works: Sequence[Work]) -> Iterator[Rows]:
    counts = [fetch_specimens(storage, work, len(engine.model.genes)) for work in works]
    recognised = engine.recognise(plan_specimens(works, counts))
    yield from predictions_of(works, recognised, engine.model.manifest.modality)


_ANSWERS: Mapping[RequestType, Callable[[Engine, Storage, Sequence[Work]], Iterator[Rows]]] = {
    RequestType.BASELINE: _baseline,
    RequestType.REFERENCE_CONDITIONED: _reference,
    RequestType.PREDICT_METADATA: _recognition,
}
