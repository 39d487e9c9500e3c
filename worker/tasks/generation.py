"""The wake-up of a generation worker as a Celery task."""

from __future__ import annotations

import structlog
from celery import Celery
from celery.worker import state

from shared.errors import DeviceLost, Unavailable
from shared.messages import Task
from worker.generation.pipeline import Pipeline
from worker.tasks.process import FAILURE, SUCCESS, end_process, resident_bytes

log = structlog.get_logger()


def register(app: Celery, pipeline: Pipeline, memory_bytes: int | None = None) -> None:
    """Have `app` answer wake-ups with this pipeline, until the process is larger than it may be."""

    def outgrown() -> bool:
        return memory_bytes is not None and pipeline.claims > 0 and resident_bytes() > memory_bytes

    @app.task(name=str(Task.GENERATE))
    def wake() -> None:
        try:
            samples = pipeline.drain(lambda: stopping() or outgrown())
        except Unavailable as error:
            # Nothing was claimed, or its lease runs out: upkeep sends another wake-up.
            log.warning("generation.interrupted", error=str(error))
        except DeviceLost as error:
            log.critical("worker.ends", exc_info=error)
            end_process(FAILURE)
        else:
            if samples:
                log.info("generation.drained", samples=samples)
            if outgrown():
                log.warning("worker.recycled", bytes=resident_bytes(), allowed=memory_bytes)
                end_process(SUCCESS)


def stopping() -> bool:
    """Whether this process was asked to end: no new batch is begun then."""
    # An exit status is set to say so, and 0 is one: it must not be taken for False.
    return any(flag is not None and flag is not False for flag in (state.should_stop, state.should_terminate))
