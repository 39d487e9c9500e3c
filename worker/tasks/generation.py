"""A generation worker's drains: at a wake-up, which is a Celery task, and by its own clock without one."""

from __future__ import annotations

import threading

import structlog
from celery import Celery
from celery.worker import state

from shared.errors import DeviceLost, Unavailable
from shared.messages import Task
from worker.generation.pipeline import Pipeline
from worker.tasks.process import FAILURE, SUCCESS, end_process, resident_bytes

log = structlog.get_logger()

_DEAF_SECONDS = 0.5


class Drains:
    """Drains of one pipeline, never two at once, until the process is larger than it may be."""

    def __init__(self, pipeline: Pipeline, memory_bytes: int | None = None) -> None:
        self._pipeline, self._memory_bytes = pipeline, memory_bytes
        self._one = threading.Lock()

    def woken(self) -> None:
        """Drain; first wait for the drain in hand, so that a busy worker leaves wake-ups to idle ones."""
        self._wait()
        try:
            self._drain()
        finally:
            self._one.release()

    def unasked(self) -> None:
        """Drain, unless that is being done: a broker that is silent costs no more than the time until now."""
        if self._one.acquire(blocking=False):
            try:
                self._drain()
            finally:
                self._one.release()

    def close(self) -> None:
        """Have the drain in hand finish its batch, and begin none after it."""
        self._wait()
        self._pipeline.close()

    def _wait(self) -> None:
        """Until nobody drains; one's own turn then.

        A signal that the kernel hands to another thread is heard when this one, the main one, goes on.
        """
        while not self._one.acquire(timeout=_DEAF_SECONDS):
            pass

    def _drain(self) -> None:
        try:
            samples = self._pipeline.drain(lambda: stopping() or self._outgrown())
        except Unavailable as error:
            # Nothing was claimed, or its lease runs out: the clock tries again.
            log.warning("generation.interrupted", error=str(error))
        except DeviceLost as error:
            log.critical("worker.ends", exc_info=error)
            end_process(FAILURE)
        else:
            if samples:
                log.info("generation.drained", samples=samples)
            if self._outgrown():
                log.warning("worker.recycled", bytes=resident_bytes(), allowed=self._memory_bytes)
                end_process(SUCCESS)

    def _outgrown(self) -> bool:
        """Whether it is too large; one that has computed nothing yet would not be smaller the next time."""
        allowed = self._memory_bytes
        return allowed is not None and self._pipeline.batches > 0 and resident_bytes() > allowed


def register(app: Celery, drains: Drains) -> None:
    """Have `app` answer wake-ups."""

    @app.task(name=str(Task.GENERATE))
    def wake() -> None:
        drains.woken()


def stopping() -> bool:
    """Whether this process was asked to end: no new batch is begun then."""
    # An exit status is set to say so, and 0 is one: it must not be taken for False.
    return any(flag is not None and flag is not False for flag in (state.should_stop, state.should_terminate))
