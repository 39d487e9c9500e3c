"""Workers and upkeep in processes of their own that a signal meets at a chosen step.

A step is every place where something lasting may have changed: before and after each commit, each object that
is stored or deleted, each batch that is computed. The plugs tell the steps; the code between them is the
product's own.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import torch
from sqlalchemy import Engine as DatabaseEngine
from sqlalchemy import event

from shared.catalog import Catalog, Model
from shared.database.engines import sync_engine
from shared.shelf import Shelf
from shared.storage.objects import ObjectStorage, open_storage
from worker.generation.claim import Claimant
from worker.generation.engines import Engines
from worker.generation.heartbeat import Heartbeat, WorkerCard
from worker.generation.pipeline import Pipeline
from worker.generation.plugs import Plugs
from worker.generation.recovery import recover
from worker.inference.batch import Batch, Generated
from worker.inference.engine import Engine

# A server that has imported the networks once, and forks: a life costs a fraction of a second.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.support.mortal", "pytest"])
DEADLY_SEED = 666
# What a statement writes, in its CTEs too; "for update of" locks only.
_WRITES = re.compile(r"(?<!for )\b(insert|update|delete)(?: into| from)? (\w+)(?= set|\b)")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the rows, the objects and the models are; below `folder` lie the latter two."""

    database_url: str
    folder: Path

    @property
    def storage(self) -> ObjectStorage:
        """The objects."""
        return open_storage(f"file://{self.folder}/objects")

    @property
    def log(self) -> Path:
        """The names of the steps that the last life went."""
        return self.folder / "steps"


@dataclass(frozen=True, slots=True)
class Fate:
    """Which signal comes at which step: the n-th, or the first of a name; None: none ever.

    Statements that write have names and no number: a death in a transaction is one before its commit.
    """

    at: int | str | None = None
    by: signal.Signals = signal.SIGKILL
    lease: timedelta = timedelta(minutes=1)
    deadly_input: int | None = None  # whoever computes it, for a job of the deadly seed, dies


class Steps:
    """Counts and writes down the steps of this process, and sends it the signal at the chosen one."""

    def __init__(self, place: Place, fate: Fate) -> None:
        self._fate, self._lock, self._count = fate, threading.Lock(), 0
        place.log.unlink(missing_ok=True)
        self._log = os.open(place.log, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        self._struck = False

    def go(self, name: str, counts: bool = True) -> None:
        """One step."""
        with self._lock:
            self._count += counts
            os.write(self._log, f"{name}\n".encode())
            if self._fate.at in (name, counts and self._count) and not self._struck:
                self._struck = True
                os.kill(os.getpid(), self._fate.by)

    def watch(self, database: DatabaseEngine) -> DatabaseEngine:
        """Make a step of each side of a commit."""

        def statement(*arguments: object) -> None:
            for verb, table in _WRITES.findall(str(arguments[2]).lower()):
                self.go(f"{verb} {table}", counts=False)

        event.listen(database, "before_cursor_execute", statement)
        event.listen(database, "commit", lambda _: self.go("before commit"))
        event.listen(database, "checkin", lambda *_: self.go("after commit"))
        return database


@dataclass(frozen=True, slots=True)
class SteppingStorage:
    """A storage that makes a step of each side of a `put`."""

    inner: ObjectStorage
    steps: Steps

    def put(self, key: str, data: bytes) -> None:
        """Store an object."""
        kind = "manifest" if "manifest" in key else "part"
        self.steps.go(f"before {kind}")
        self.inner.put(key, data)
        self.steps.go(f"after {kind}")

    def get(self, key: str) -> bytes:
        """The whole object."""
        return self.inner.get(key)

    def keys(self, prefix: str) -> list[str]:
        """The keys below a prefix."""
        return self.inner.keys(prefix)

    def keys_older_than(self, prefix: str, age: timedelta) -> list[str]:
        """The old ones among them."""
        return self.inner.keys_older_than(prefix, age)

    def delete_all(self, prefix: str) -> None:
        """Remove everything below a prefix."""
        self.inner.delete_all(prefix)

    def delete(self, keys: Collection[str]) -> None:
        """Remove objects."""
        self.steps.go("before delete")
        self.inner.delete(keys)

    def check(self) -> None:
        """Whether it answers."""
        self.inner.check()


class SteppingEngine(Engine):
    """An engine that makes a step of each side of a batch, and may meet an input that kills."""

    steps: Steps
    deadly_input: int | None = None

    def generate(self, batch: Batch) -> Generated:
        self.steps.go("before computing")
        if self.deadly_input in batch.input_index[batch.seed == DEADLY_SEED].tolist():
            os.kill(os.getpid(), signal.SIGKILL)
        made = super().generate(batch)
        self.steps.go("after computing")
        return made


def start_worker(place: Place, fate: Fate) -> ForkServerProcess:
    """A generation worker that works until nothing is queued, unless it dies before."""
    return _start(_work, place, fate)


def start_upkeep(place: Place, fate: Fate) -> ForkServerProcess:
    """One sweep."""
    return _start(_sweep, place, fate)


def _start(life: Callable[[Place, Fate], None], place: Place, fate: Fate) -> ForkServerProcess:
    process = _FORKS.Process(target=life, args=(place, fate), daemon=True)
    process.start()
    return process


def _work(place: Place, fate: Fate) -> None:
    steps = Steps(place, fate)
    shelf = Shelf(Catalog.open(place.folder / "models"), place.storage, place.folder / "cache")

    def load(model: Model) -> Engine:
        engine = SteppingEngine.open(model, torch.device("cpu"))
        assert isinstance(engine, SteppingEngine)
        engine.steps, engine.deadly_input = steps, fate.deadly_input
        return engine

    engines = Engines(shelf, load, 2)
    database = steps.watch(sync_engine(place.database_url))
    claimant = Claimant(f"mortal-{os.getpid()}", engines.claimable, fate.lease, 64)
    # It beats once, at the beginning: who is frozen within a beat would hold the rows that others wait for.
    with Heartbeat(
        sync_engine(place.database_url), WorkerCard(claimant.owner, "cpu"), fate.lease, timedelta(minutes=10)
    ) as heartbeat:
        pipeline = Pipeline(
            Plugs(database, SteppingStorage(place.storage, steps), heartbeat, engines), claimant, 3
        )
        pipeline.drain(lambda: False)
        pipeline.close()


def _sweep(place: Place, fate: Fate) -> None:
    steps = Steps(place, fate)
    recover(steps.watch(sync_engine(place.database_url)), SteppingStorage(place.storage, steps), 3)
