"""Peak resident memory of processes, children included, while something runs. Looks often; knows no cause."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import psutil

_EVERY = 0.02  # seconds

Peaks = dict[str, float]  # in MB, by process


@contextmanager
def peaks_of(processes: Mapping[str, int]) -> Iterator[Peaks]:
    """The peaks of these processes, given by their ids; they stand once the block is over."""
    peaks: Peaks = dict.fromkeys(processes, 0.0)
    watched = {name: psutil.Process(pid) for name, pid in processes.items()}
    over = threading.Event()

    def look() -> None:
        while not over.wait(_EVERY):
            for name, process in watched.items():
                peaks[name] = max(peaks[name], _resident(process))

    thread = threading.Thread(target=look, name="memory", daemon=True)
    thread.start()
    try:
        yield peaks
    finally:
        over.set()
        thread.join()


def _resident(process: psutil.Process) -> float:
    held = 0
    for one in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # A child may end between being listed and being asked.
            held += one.memory_info().rss
    return held / 1e6
