"""A worker's drains: one at a time, and a process that hears signals while it waits for one."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import cast

import pytest

from worker.generation.pipeline import Pipeline
from worker.tasks.generation import Drains


class Draining:
    """A pipeline whose drain lasts until a signal is heard; it is given to the thread that drains."""

    batches = 0

    def __init__(self) -> None:
        self.begun, self.told = threading.Event(), threading.Event()
        self.heard: list[bool] = []

    def drain(self, stopping: Callable[[], bool]) -> int:
        if not self.heard:
            self.begun.set()
            time.sleep(0.5)  # the main thread waits by then
            signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
            self.heard.append(self.told.wait(60))
        return 0


@pytest.fixture
def draining() -> Iterator[Draining]:
    made = Draining()
    before = signal.signal(signal.SIGUSR1, lambda *_: made.told.set())
    yield made
    signal.signal(signal.SIGUSR1, before)


def test_a_signal_that_the_draining_thread_was_given_is_heard_while_a_wake_up_waits_for_it(
    draining: Draining,
) -> None:
    """Handlers run in the main thread, which a signal to another one does not wake."""
    drains = Drains(cast(Pipeline, draining))
    thread = threading.Thread(target=drains.unasked)
    thread.start()
    draining.begun.wait()
    drains.woken()
    thread.join()
    assert draining.heard == [True]
