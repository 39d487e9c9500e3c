"""What the customers did and saw: each 202, each wish, each promise that was not kept. For threads."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from tests.system.chaos.questions import Question


class Broken(NamedTuple):
    """A promise that was not kept, and the case."""

    promise: str
    case: str


class Wish(StrEnum):
    """What may rightly end a job without a result."""

    CANCEL = "cancel"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Accepted:
    """A job that an API said 202 to; `customer` is the name that it carries in its metadata."""

    job_id: str
    question: Question
    key: str = field(repr=False)
    customer: str = ""


class Ledger:
    """The customers' book."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._accepted: dict[str, Accepted] = {}
        self._wished: dict[tuple[str, Wish], datetime] = {}
        self._ends: dict[str, str] = {}
        self._keys: dict[str, str] = {}
        self.answers: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.broken: list[Broken] = []

    def accept(self, job: Accepted) -> None:
        """A 202 was seen."""
        with self._lock:
            self._accepted[job.job_id] = job

    def keep(self, key: str, job_id: str) -> None:
        """A query under an idempotency key got a job: always the same one."""
        with self._lock:
            first = self._keys.setdefault(key, job_id)
        if first != job_id:
            self.breach("a key has one job", f"{key}: {first} and {job_id}")

    def wish(self, job: Accepted, wish: Wish) -> None:
        """Somebody is about to ask for it; the first time counts."""
        with self._lock:
            self._wished.setdefault((job.job_id, wish), datetime.now(UTC))

    def over(self, job: Accepted, state: str) -> None:
        """A job was seen to be over. It stays so, unless it is deleted."""
        with self._lock:
            first = self._ends.setdefault(job.job_id, state)
            deleted = (job.job_id, Wish.DELETE) in self._wished
        if state not in {first, "expired"} or (state == "expired" != first and not deleted):
            self.breach("final is final", f"{job.job_id} was {first} and is {state}")

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

    @property
    def ends(self) -> dict[str, str]:
        """The state in which each job was first seen to be over, by its id."""
        with self._lock:
            return dict(self._ends)

    @property
    def keys(self) -> dict[str, str]:
        """The job that each idempotency key got."""
        with self._lock:
            return dict(self._keys)

    def wishes(self, wish: Wish) -> dict[str, datetime]:
        """Which jobs it was wished for, and when first."""
        with self._lock:
            return {job_id: at for (job_id, wished), at in self._wished.items() if wished is wish}
