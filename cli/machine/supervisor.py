"""Keeps programs running: what dies is started again, later each time; all are stopped in reverse order."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from cli.machine.process import Child, Program


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before the n-th start in a row; a child that lived for a while starts the row anew."""

    first: timedelta = timedelta(milliseconds=200)
    longest: timedelta = timedelta(seconds=30)
    forgiven_after: timedelta = timedelta(seconds=60)

    def delay(self, failures: int) -> timedelta:
        """The wait after that many failures in a row (1 or more): doubling, up to `longest`."""
        doublings: int = min(failures - 1, 20)
        return min(self.longest, self.first * (1 << doublings))


@dataclass(slots=True)
class _Kept:
    program: Program
    child: Child
    failures: int = 0
    due: float | None = None  # when to start it again, on the monotonic clock


class Supervisor:
    """The programs of one machine, in stages. Not for threads: every call comes from the main one."""

    def __init__(self, say: Callable[[str], None], backoff: Backoff | None = None) -> None:
        self._say = say
        self._backoff = backoff or Backoff()
        self._stages: list[list[_Kept]] = []

    def launch(self, programs: Sequence[Program]) -> list[Child]:
        """Start a stage: these programs end together, before those of earlier stages."""
        stage: list[_Kept] = []
        self._stages.append(stage)
        for program in programs:
            stage.append(_Kept(program, Child(program)))
        return [kept.child for kept in stage]

    @property
    def processes(self) -> Mapping[str, int]:
        """The process ids by program name; of a dead one, its last."""
        return {kept.program.name: kept.child.pid for kept in self._all()}

    def child(self, name: str) -> Child:
        """The current run of a program."""
        return next(kept.child for kept in self._all() if kept.program.name == name)

    def given_up(self) -> Child | None:
        """A program that ended by itself with an error: what it would do again."""
        return next((kept.child for kept in self._all() if (kept.child.exit_code or 0) > 0), None)

    def tend(self) -> bool:
        """Notice the dead and start those whose time has come. True if something was started."""
        started = [self._tend_one(kept) for kept in self._all()]
        return any(started)

    def stop(self) -> None:
        """End every stage, the last one first; returns when nothing runs any more."""
        while self._stages:
            stage = self._stages.pop()
            for kept in stage:
                kept.child.ask_to_stop()
            for kept in stage:
                kept.child.end()

    def _all(self) -> list[_Kept]:
        return [kept for stage in self._stages for kept in stage]

    def _tend_one(self, kept: _Kept) -> bool:
        now = time.monotonic()
        if kept.due is None and kept.child.exit_code is not None:
            kept.due = now + self._plan(kept).total_seconds()
        elif kept.due is not None and now >= kept.due:
            kept.child, kept.due = Child(kept.program), None
            return True
        return False

    def _plan(self, kept: _Kept) -> timedelta:
        if kept.child.age > self._backoff.forgiven_after:
            kept.failures = 0
        kept.failures += 1
        delay = self._backoff.delay(kept.failures)
        self._say(
            f"The {kept.program.name} process stopped ({kept.child.ending}); starting it again in "
            f"{delay.total_seconds():.1f} s. Its log is {kept.program.log}."
        )
        return delay
