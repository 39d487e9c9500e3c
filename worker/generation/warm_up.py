"""The first batch of a process pays for imports, buffers and threads; this pays before anybody waits."""

from __future__ import annotations

import hashlib
from itertools import product
from uuid import UUID

from obstore.store import MemoryStore

from shared.errors import GenerationError
from shared.jobs.chunks import Run
from shared.queries.requests import RequestType
from shared.queries.spec import SamplingStrategy
from shared.results.forms import FORMS
from shared.results.part import encode_part
from shared.results.specimens import encode_specimens
from shared.sheets.sheet import SheetRow
from shared.storage.objects import ObjectStorage
from shared.storage.port import Storage
from worker.generation.compute import compute
from worker.generation.conditions import Condition
from worker.generation.plan import plan_batch
from worker.generation.work import StoredSpecimens, Work
from worker.inference.engine import Engine

_SAMPLES = 64  # each of an input of its own
_NOBODY = UUID(int=0)


def warm_up(engine: Engine) -> str:
    """Compute and encode some samples of no particular condition, in every way the model offers.

    Returns the SHA-256 of it all, in hex. Everything is computed twice: a device that gives other bits the
    second time is not to be trusted.
    Raises GenerationError if the model gives no valid result, or not the same one: such a worker must not
    claim anything.
    """
    manifest = engine.model.manifest
    storage = ObjectStorage(MemoryStore(), "memory")
    specimens = _specimens(engine, storage)
    digest = hashlib.sha256()
    for request_type, strategy in product(manifest.request_types, manifest.sampling_strategies):
        work = _work(engine, request_type, strategy, specimens)
        first, second = (_part(engine, storage, work) for _ in range(2))
        if first != second:
            raise GenerationError(
                f"{engine.device} computed the same {request_type} query of {manifest.model_id} twice and "
                "gave two results. Repair or replace the device."
            )
        digest.update(first)
    return digest.hexdigest()


def _part(engine: Engine, storage: Storage, work: Work) -> bytes:
    (rows,) = compute(engine, storage, [work])
    return encode_part(FORMS[work.request_type].table(rows))


def _specimens(engine: Engine, storage: Storage) -> StoredSpecimens:
    """Store what the model itself takes for typical samples."""
    strategy = engine.model.manifest.sampling_strategies[0]
    work = _work(engine, RequestType.BASELINE, strategy, None)
    data = encode_specimens(0, list(engine.generate(plan_batch([work])).counts))
    storage.put("specimens", data)
    return StoredSpecimens("specimens", 0, hashlib.sha256(data).hexdigest())


def _work(
    engine: Engine, request_type: RequestType, strategy: SamplingStrategy, specimens: StoredSpecimens | None
) -> Work:
    manifest = engine.model.manifest
    return Work(
        chunk_id=0,
        token=0,
        job_id=_NOBODY,
        position=0,
        attempt=1,
        model_id=manifest.model_id,
        model_version=manifest.version,
        first_sample=0,
        num_samples=_SAMPLES,
        sampling_strategy=strategy,
        total_count=manifest.default_total_count,
        deterministic_latents=False,
        seed=0,
        conditions=tuple(Condition.of(SheetRow(place, place, 1, {}, {})) for place in range(_SAMPLES)),
        runs=tuple(Run(place, 0, 1) for place in range(_SAMPLES)),
        request_type=request_type,
        conditioning=("biological", "technical"),
        specimens=(specimens,) if specimens else (),
    )
