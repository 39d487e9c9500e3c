"""The processes of a `genequeue up`: alive, stopped, or gone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path

from cli.doctor.finding import Finding, ok, wrong
from cli.doctor.installation import Installation


class Life(StrEnum):
    """How it stands with a process, in words."""

    RUNS = "runs"
    STOPPED = "is stopped by a signal"
    GONE = "is gone"


_REMEDIES: Mapping[Life, str] = {
    Life.STOPPED: "Let it go on with kill -CONT, or kill it: `genequeue up` starts it again.",
    Life.GONE: "`genequeue up` starts it again, within 30 s at most.",
}


def examine_processes(place: Installation) -> Iterator[Finding]:
    """Whether everything that `genequeue up` started lives; nothing where there is no such run."""
    if place.run is None or place.folder is None:
        return
    if life_of(place.run.pid) is Life.GONE:
        found = f"`genequeue up` on {place.folder.path} was killed."
        yield wrong("processes", found, "Start it again: it carries on where it was.")
        return
    lives = {name: life_of(pid) for name, pid in {"up": place.run.pid, **place.run.processes}.items()}
    for name, life in lives.items():
        if life is not Life.RUNS:
            yield wrong("processes", f"The {name} process {life}.", f"{_REMEDIES[life]} {place.log(name)}")
    if set(lives.values()) == {Life.RUNS}:
        yield ok("processes", f"All run: {', '.join(lives)}.")


def life_of(pid: int) -> Life:
    """Asks the kernel; on systems without /proc a stopped process counts as one that runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return Life.GONE
    except PermissionError:
        pass  # It is somebody else's, and alive.
    try:
        # The name, in parentheses, may hold anything; the state is the letter behind it.
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return Life.RUNS
    return {"T": Life.STOPPED, "t": Life.STOPPED, "Z": Life.GONE, "X": Life.GONE}.get(state, Life.RUNS)
