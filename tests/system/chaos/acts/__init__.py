"""What customers do in a storm, an act a file. Every module of this folder is found by itself.

An act is a module with `WEIGHT`, how often it is played beside the others, and `play(scene)`.
"""

from __future__ import annotations

import importlib
import pkgutil
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tests.system.chaos.customer import Customer
from tests.system.chaos.questions import Question


@dataclass(frozen=True, slots=True)
class Scene:
    """Whom an act is played with, what may be asked (by kind), its own source of chance."""

    customer: Customer
    pool: Mapping[str, Sequence[Question]]
    chance: random.Random
    streams: dict[str, str]  # the content of the first whole stream of each question

    def question(self, kind: str) -> Question:
        """A question of a kind."""
        return self.chance.choice(self.pool[kind])


class Act(Protocol):
    """A module of this folder."""

    WEIGHT: int
    __name__: str

    def play(self, scene: Scene) -> None:
        """Play it to its end. Raises StormOver when the storm ends first."""


def all_acts() -> dict[str, Act]:
    """Every act by its name, in the order of names."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return {name: importlib.import_module(f"{__name__}.{name}") for name in names}


def pack(seed: int, acts: Mapping[str, Act]) -> list[str]:
    """The names of the acts, each as often as its weight says, shuffled."""
    cards = [name for name, act in acts.items() for _ in range(act.WEIGHT)]
    random.Random(f"acts {seed}").shuffle(cards)
    return cards
