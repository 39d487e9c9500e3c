"""Looking at processes from outside, and waiting for something to become true."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for yet does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def family(pid: int) -> set[int]:
    """The process ids of all that a process has started, at any depth."""
    return {child.pid for child in psutil.Process(pid).children(recursive=True)}


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    """Poll until `true()`. Raises AssertionError when the time is over."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"Not true within {seconds} s."
        time.sleep(0.02)
