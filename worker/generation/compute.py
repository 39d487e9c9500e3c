"""Computes a batch: which of an engine's questions a request type is, and the rows that its answer gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from shared.queries.requests import RequestType
from shared.results.forms import Rows
from shared.storage.port import Storage
from worker.generation.plan import plan_batch, samples_of
from worker.generation.plan_specimens import plan_specimens, predictions_of
from worker.generation.specimens import fetch_specimens
from worker.generation.work import Work
from worker.inference.engine import Engine


def compute(engine: Engine, storage: Storage, works: Sequence[Work]) -> list[Rows]:
    """The rows of each chunk of a batch, all of one model and request type.

    Raises GenerationError, InputDamaged, StorageUnavailable.
    """
    return list(_ANSWERS[works[0].request_type](engine, storage, works))


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
