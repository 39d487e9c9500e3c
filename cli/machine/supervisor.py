"""Keeps programs running: what dies is started again, later each time; all are stopped in reverse order.

A run can be replaced: by a successor that is started beside it, or by one that starts when it has ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
    """A program, its present run, and the runs before and after it that live at the same time."""

    program: Program
    child: Child
    failures: int = 0
    due: float | None = None  # when to start it again, on the monotonic clock
    renewing: bool = False  # it was asked to end, and is then started at once
    successor: Child | None = None
    leaving: list[Child] = field(default_factory=list)

    @property
    def runs(self) -> list[Child]:
        """Every run that may be alive."""
        return [self.child, *([self.successor] if self.successor else []), *self.leaving]


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
        return self._kept(name).child

    def given_up(self) -> Child | None:
        """A program that ended by itself with an error: what it would do again."""
        return next((kept.child for kept in self._all() if (kept.child.exit_code or 0) > 0), None)

    def tend(self) -> bool:
        """Notice the dead and start those whose time has come. True if something was started."""
        started = [self._tend_one(kept) for kept in self._all()]
        return any(started)

    def succeed(self, name: str) -> Child:
        """Start a successor beside the current run, which goes on; `hand_over` or `abandon` comes next."""
        kept = self._kept(name)
        kept.successor = Child(kept.program)
        return kept.successor

    def hand_over(self, name: str) -> Child:
        """Make the successor the current run, and ask the one before it to stop; returns that one."""
        kept = self._kept(name)
        assert kept.successor is not None, f"{name} has no successor."
        former, kept.child = kept.child, kept.successor
        kept.successor, kept.failures, kept.due = None, 0, None
        kept.leaving.append(former)
        former.ask_to_stop()
        return former

    def abandon(self, name: str) -> None:
        """End a successor that is not wanted; the current run goes on."""
        kept = self._kept(name)
        if kept.successor is not None:
            kept.successor.stop()
            kept.successor = None

    def renew(self, name: str) -> None:
        """Ask the current run to stop; once it has ended, `tend` starts the program again at once."""
        kept = self._kept(name)
        if kept.child.exit_code is None:
            kept.renewing = True
            kept.child.ask_to_stop()
        else:
            kept.due = time.monotonic()

    def stop(self) -> None:
        """End every stage, the last one first; returns when nothing runs any more."""
        while self._stages:
            runs = [run for kept in self._stages.pop() for run in kept.runs]
            for run in runs:
                run.ask_to_stop()
            for run in runs:
                run.end()

    def _all(self) -> list[_Kept]:
        return [kept for stage in self._stages for kept in stage]

    def _kept(self, name: str) -> _Kept:
        return next(kept for kept in self._all() if kept.program.name == name)

    def _tend_one(self, kept: _Kept) -> bool:
        now = time.monotonic()
        for run in kept.runs:
            if run.overdue:
                run.kill()
        for run in [run for run in kept.leaving if run.exit_code is not None]:
            run.end()
            kept.leaving.remove(run)
        if kept.due is None and kept.child.exit_code is not None:
            kept.due = now if kept.renewing else now + self._plan(kept).total_seconds()
            kept.renewing = False
        if kept.due is not None and now >= kept.due:
            kept.child.end()
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
