"""What a generation worker says and counts about its work: ids on every log line, figures for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum

import structlog
from structlog.contextvars import bind_contextvars, bound_contextvars, clear_contextvars

from shared import metrics
from worker.generation.work import Work

log = structlog.get_logger()


class Outcome(StrEnum):
    """How an attempt at a chunk ended."""

    DONE = "done"  # its part is stored and counts
    FAILED = "failed"  # it could not be computed or stored
    GIVEN_BACK = "given_back"  # a server was away: as if it had not been claimed
    LEASE_LOST = "lease_lost"  # somebody else owns the chunk now


@contextmanager
def about(works: Sequence[Work]) -> Iterator[None]:
    """Every line in the block carries the ids of a chunk, or of the jobs of a batch."""
    with bound_contextvars(**_ids(works)):
        yield


def now_about(*works: Work) -> None:
    """Every further line of this thread carries these ids, and no others: bindings do not cross threads."""
    clear_contextvars()
    bind_contextvars(**_ids(works))


def _ids(works: Sequence[Work]) -> dict[str, object]:
    if len(works) == 1:
        return works[0].ids
    return {
        "jobs": sorted({str(work.job_id) for work in works}),
        "request_ids": sorted({work.request_id for work in works if work.request_id}),
        "model": works[0].model_id,
        "version": works[0].model_version,
    }


def claimed(works: Sequence[Work], batch_samples: int) -> None:
    """A batch was claimed, of at most that many samples."""
    model = works[0].model_id
    for work in works:
        metrics.CLAIM_WAIT.labels(model, work.lane).observe(work.waited.total_seconds())
    samples = sum(work.num_samples for work in works)
    metrics.BATCH_FILL.labels(model).observe(samples / batch_samples)
    log.info("batch.claimed", chunks=len(works), samples=samples)


def computed(works: Sequence[Work], took: timedelta) -> None:
    """A batch was computed; its parts are not stored yet."""
    metrics.BATCH_SECONDS.labels(works[0].model_id).observe(took.total_seconds())


def ended(work: Work, outcome: Outcome, samples: int = 0) -> None:
    """An attempt ended, with so many samples stored."""
    metrics.ATTEMPTS.labels(work.model_id, work.lane, outcome).inc()
    if outcome is Outcome.DONE:
        metrics.SAMPLES.labels(work.model_id, work.lane).inc(samples)
        log.info("chunk.done", samples=samples)
