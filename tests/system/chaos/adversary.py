"""The adversary: a plan of strikes made from a seed alone, and their execution, written down with times."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.system.chaos.faults import DISK, FAULTS, End, Fault
from tests.system.chaos.stage import Stage


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault on one target, `at` seconds after the storm began, for `lasting` seconds."""

    at: float
    fault: str
    target: str
    lasting: float


@dataclass(frozen=True, slots=True)
class Struck:
    """A strike as it happened: when, and the process that was its victim (None for a disk)."""

    strike: Strike
    at: datetime
    pid: int | None


def plan(seed: int, seconds: float, gap: float, faults: Mapping[str, Fault] = FAULTS) -> tuple[Strike, ...]:
    """Strikes for a storm, `gap` seconds apart in the mean. Equal arguments give equal plans.

    Faults are dealt like cards, without putting one back before all were dealt.
    """
    chance = random.Random(f"adversary {seed}")
    return tuple(_deal(chance, seconds, gap, faults))


class Adversary:
    """Carries out a plan, a step at a time; for the thread that tends the stage."""

    def __init__(self, stage: Stage, strikes: Sequence[Strike]) -> None:
        self._stage, self._waiting = stage, list(strikes)
        self._lasting: list[tuple[float, End]] = []
        self.struck: list[Struck] = []

    def step(self, now: float) -> None:
        """Begin and end what is due, `now` seconds after the storm began."""
        for end in [end for until, end in self._lasting if until <= now]:
            end()
        self._lasting = [(until, end) for until, end in self._lasting if until > now]
        while self._waiting and self._waiting[0].at <= now:
            self._strike(self._waiting.pop(0), now)

    def relent(self) -> None:
        """End everything at once."""
        self._waiting.clear()
        self.step(float("inf"))

    def _strike(self, strike: Strike, now: float) -> None:
        """Whoever is dead already is left alone, and not counted."""
        pid = None
        if strike.target != DISK:
            victim = self._stage.child(strike.target)
            if victim.exit_code is not None:
                return
            pid = victim.pid
        self.struck.append(Struck(strike, datetime.now(UTC), pid))
        end = FAULTS[strike.fault].begin(self._stage, strike.target)
        self._lasting.append((now + strike.lasting, end))


def _deal(chance: random.Random, seconds: float, gap: float, faults: Mapping[str, Fault]) -> Iterator[Strike]:
    cards: list[str] = []
    at = chance.expovariate(1 / gap)
    while at < seconds:
        if not cards:
            cards = [name for name in sorted(faults) for _ in range(faults[name].cards)]
            chance.shuffle(cards)
        fault = faults[cards.pop()]
        lasting = chance.uniform(fault.shortest, fault.longest)
        yield Strike(round(at, 2), fault.name, chance.choice(list(fault.targets)), round(lasting, 2))
        at += chance.expovariate(1 / gap)
