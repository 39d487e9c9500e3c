"""The gate's figures: what it admits by, where looks at the database are slow or overtake each other."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from api.services.admission import Bounds, Gate
from shared.errors import ServiceFull, WorkspaceFull

OURS, THEIRS = 1, 2


@dataclass(frozen=True)
class Rows:
    """What a look found: samples by workspace."""

    found: Mapping[int, int]

    def all(self) -> list[tuple[int, int]]:
        return list(self.found.items())


@dataclass
class Look:
    """A session whose one statement is answered when the test says so."""

    found: Mapping[int, int]
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    async def connection(self) -> None:
        pass

    async def execute(self, _: object) -> Rows:
        self.asked.set()
        await self.answered.wait()
        return Rows(self.found)


def at_once(**found: int) -> Any:
    look = Look({OURS: found.get("ours", 0), THEIRS: found.get("theirs", 0)})
    look.answered.set()
    return look


async def begin(gate: Gate, look: Any) -> asyncio.Task[None]:
    """A submit of one sample that waits for the answer to its look."""
    task = asyncio.create_task(gate.admit(look, OURS, 1))
    await look.asked.wait()
    return task


def gate(fresh_for: timedelta = timedelta(0)) -> Gate:
    return Gate(Bounds(workspace=10, service=20), fresh_for)


def test_each_bound_has_its_own_refusal() -> None:
    async def run() -> None:
        with pytest.raises(WorkspaceFull, match="10 samples already; the most is 10"):
            await gate().admit(at_once(ours=10), OURS, 1)
        with pytest.raises(ServiceFull, match="25 samples"):
            await gate().admit(at_once(theirs=25), OURS, 1)

    asyncio.run(run())


def test_what_is_taken_counts_until_the_next_look() -> None:
    async def run() -> None:
        one = gate(fresh_for=timedelta(hours=1))
        await one.admit(at_once(), OURS, 10)
        with pytest.raises(WorkspaceFull):
            await one.admit(at_once(), OURS, 1)

    asyncio.run(run())


def test_what_is_taken_while_a_look_is_held_up_is_not_forgotten() -> None:
    async def run() -> None:
        one, slow = gate(fresh_for=timedelta(hours=1)), Look({})
        looking = await begin(one, slow)
        await one.admit(at_once(), OURS, 9)
        slow.answered.set()
        await looking
        with pytest.raises(WorkspaceFull):
            await one.admit(at_once(), OURS, 1)

    asyncio.run(run())


def test_a_look_that_was_overtaken_does_not_undo_what_is_known_since() -> None:
    async def run() -> None:
        one, slow = gate(), Look({})
        looking = await begin(one, slow)
        with pytest.raises(WorkspaceFull):
            await one.admit(at_once(ours=10), OURS, 1)
        slow.answered.set()
        with pytest.raises(WorkspaceFull):
            await looking

    asyncio.run(run())


def test_looks_that_are_always_slow_are_learned_from() -> None:
    """Each next one begins before the last has its answer; the queue empties all the same."""

    async def run() -> None:
        one = gate()
        with pytest.raises(WorkspaceFull):
            await one.admit(at_once(ours=10), OURS, 1)
        first, second = Look({}), Look({})
        submits = [await begin(one, first), await begin(one, second)]
        first.answered.set()
        await submits[0]
        second.answered.set()
        await submits[1]

    asyncio.run(run())
