"""This machine: what is installed, how much room is left, what time it is."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from shutil import disk_usage

import httpx
from rich import filesize
from sqlalchemy import Engine

from cli.doctor.finding import Finding, ago, ok, unknown, warning, wrong
from cli.doctor.installation import Installation
from shared.database.engines import transaction
from shared.database.queries.diagnosis import clock
from shared.errors import DatabaseUnavailable

_OLDEST_PYTHON = (3, 11)
_GIB = 1 << 30
_LITTLE_ROOM, _NO_ROOM = 5 * _GIB, 1 * _GIB
_NOTABLE_SKEW, _HARMFUL_SKEW = timedelta(seconds=3), timedelta(seconds=60)
_PATIENCE_SECONDS = 4


def examine_versions(_: Installation) -> Iterator[Finding]:
    """What is installed here: Python, GeneQueue, and torch, which a generation worker needs."""
    found = f"GeneQueue {version('genequeue')} on Python {platform.python_version()}."
    if sys.version_info < _OLDEST_PYTHON:
        yield wrong("versions", found, "Install Python 3.11 or later and make the environment anew.")
    else:
        yield ok("versions", found)
    try:
        yield ok("torch", f"torch {version('torch')} is installed: a generation worker can run here.")
    except PackageNotFoundError:
        remedy = "pip install 'genequeue[worker]', unless the workers run elsewhere."
        yield warning("torch", "torch is not installed: no generation worker can run here.", remedy)


def examine_disks(place: Installation) -> Iterator[Finding]:
    """How much room is left where GeneQueue writes; folders on one disk are named together."""
    disks: dict[int, tuple[list[str], Path]] = {}
    for name, folder in place.disks.items():
        there = next(path for path in (folder, *folder.parents) if path.exists())
        disks.setdefault(there.stat().st_dev, ([], there))[0].append(name)
    for names, there in disks.values():
        usage = disk_usage(there)
        yield judge_disk(f"{' and '.join(sorted(names))} ({there})", usage.free, usage.total)


def judge_disk(name: str, free: int, total: int) -> Finding:
    """Bytes that are free, of how many."""
    found = f"{filesize.decimal(free)} of {filesize.decimal(total)} are free for: {name}."
    remedy = "Make room, or shorten GENEQUEUE_RESULT_LIFETIME so that old results go sooner."
    if free < _NO_ROOM:
        return wrong("disk", found, remedy)
    return warning("disk", found, remedy) if free < _LITTLE_ROOM else ok("disk", found)


def examine_clocks(place: Installation) -> Iterator[Finding]:
    """How far the clocks of Postgres and of the API are from this machine's."""
    skews: dict[str, timedelta] = {}
    # Who does not answer is found by its own examination.
    with suppress(DatabaseUnavailable):
        skews["Postgres"] = _skew_of_postgres(place.engine)
    with suppress(httpx.HTTPError, httpx.InvalidURL, KeyError, ValueError):
        skews["the API"] = _skew_of_api(place.url)
    yield judge_clocks(skews)


def judge_clocks(skews: dict[str, timedelta]) -> Finding:
    """How far each clock is ahead of this machine's."""
    if not skews:
        return unknown("clock", "No other clock could be asked.", "Put Postgres and the API right first.")
    said = ", ".join(f"{name} {_ahead(skew)}" for name, skew in skews.items())
    found = f"Against this machine: {said}."
    worst = max(abs(skew) for skew in skews.values())
    remedy = "Keep the clocks with NTP: links are signed, and logs are read, by them."
    if worst > _HARMFUL_SKEW:
        return wrong("clock", found, remedy)
    return warning("clock", found, remedy) if worst > _NOTABLE_SKEW else ok("clock", found)


def _skew_of_postgres(engine: Engine) -> timedelta:
    with transaction(engine) as session:
        session.execute(clock())  # A connection is made first; its time does not count.
        began = time.time()
        return _skew(session.scalars(clock()).one(), began)


def _skew_of_api(url: str) -> timedelta:
    began = time.time()
    answer = httpx.get(f"{url}/health/live", timeout=_PATIENCE_SECONDS, trust_env=False)
    # Whole seconds, rounded down.
    told = parsedate_to_datetime(answer.headers["date"]) + timedelta(seconds=0.5)
    return _skew(told, began)


def _skew(told: datetime, began: float) -> timedelta:
    """How far a clock that was asked at `began`, and has answered now, is ahead of ours."""
    return told - datetime.fromtimestamp((began + time.time()) / 2, UTC)


def _ahead(skew: timedelta) -> str:
    if abs(skew) < timedelta(seconds=1):
        return "is right"
    return f"is {ago(abs(skew))} {'ahead' if skew > timedelta() else 'behind'}"
