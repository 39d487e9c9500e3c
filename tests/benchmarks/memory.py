"""Peak resident memory of processes, children included, while something runs. Looks often; knows no cause."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count

import psutil

_EVERY = 0.02  # seconds
_FAMILY_EVERY = 25  # looks; to find children reads every process of the machine, which is dear

Peaks = dict[str, float]  # in MB, by process


@contextmanager
def peaks_of(processes: Mapping[str, int]) -> Iterator[Peaks]:
    """The peaks of these processes, given by their ids; they stand once the block is over."""
    peaks: Peaks = dict.fromkeys(processes, 0.0)
    watched = {name: psutil.Process(pid) for name, pid in processes.items()}
    over = threading.Event()

    def look() -> None:
        for number in count():
            if over.wait(_EVERY):
                return
            if number % _FAMILY_EVERY == 0:
                families = {name: _family(process) for name, process in watched.items()}
            for name, family in families.items():
                peaks[name] = max(peaks[name], _resident(family))

    thread = threading.Thread(target=look, name="memory", daemon=True)
    thread.start()
    try:
        yield peaks
    finally:
        over.set()
        thread.join()


def _family(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return [process, *process.children(recursive=True)]
    return []


def _resident(family: list[psutil.Process]) -> float:
    held = 0
    for one in family:
        with suppress(psutil.NoSuchProcess):  # A child may end between being listed and being asked.
            held += one.memory_info().rss
    return held / 1e6
