"""How long the machine stood still under a test, which is nothing that the product could do about."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.api import background

_LOOK_SECONDS = 0.05


@contextmanager
def time_that_was_lost() -> Iterator[list[float]]:
    """Seconds by which a thread of this process was woken too late, each time.

    Whatever else ran on the machine lost them too.
    """
    over, lost = threading.Event(), list[float]()

    def look() -> None:
        began = time.monotonic()
        while not over.wait(_LOOK_SECONDS):
            woken = time.monotonic()
            lost.append(woken - began - _LOOK_SECONDS)
            began = woken

    with background(look):
        try:
            yield lost
        finally:
            over.set()
