"""What the customers saw: every 202, every answer that was not as it should be. For threads."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.system.chaos.questions import Question


class Broken(NamedTuple):
    """A promise that was not kept, and the case."""

    promise: str
    case: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """A job that an API said 202 to."""

    job_id: str
    question: Question
    key: str = field(repr=False)


class Ledger:
    """The customers' book."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._accepted: dict[str, Accepted] = {}
        self.answers: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.broken: list[Broken] = []

    def accept(self, job: Accepted) -> None:
        """A 202 was seen."""
        with self._lock:
            self._accepted[job.job_id] = job

    def saw(self, status: object) -> None:
        """An answer, by its status or the kind of its failure."""
        with self._lock:
            self.answers[str(status)] += 1

    def did(self, act: str) -> None:
        """An act came to its end."""
        with self._lock:
            self.done[act] += 1

    def breach(self, promise: str, case: str) -> None:
        """A customer saw a promise broken."""
        with self._lock:
            self.broken.append(Broken(promise, case))

    @property
    def accepted(self) -> list[Accepted]:
        """All jobs that were accepted, in the order of their 202."""
        with self._lock:
            return list(self._accepted.values())
