"""The wake-up of a generation worker as a Celery task."""

from __future__ import annotations

import structlog
from celery import Celery
from celery.worker import state

from shared.errors import Unavailable
from shared.messages import Task
from worker.generation.pipeline import Pipeline

log = structlog.get_logger()


def register(app: Celery, pipeline: Pipeline) -> None:
    """Have `app` answer wake-ups with this pipeline."""

    @app.task(name=str(Task.GENERATE))
    def wake() -> None:
        try:
            samples = pipeline.drain(stopping)
        except Unavailable as error:
            # Nothing was claimed, or its lease runs out: upkeep sends another wake-up.
            log.warning("generation.interrupted", error=str(error))
        else:
            if samples:
                log.info("generation.drained", samples=samples)


def stopping() -> bool:
    """Whether this process was asked to end: no new batch is begun then."""
    # An exit status is set to say so, and 0 is one: it must not be taken for False.
    return any(flag is not None and flag is not False for flag in (state.should_stop, state.should_terminate))
