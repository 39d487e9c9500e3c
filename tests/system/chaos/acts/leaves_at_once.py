"""A submission that nobody ever asks about again."""

from __future__ import annotations

from tests.system.chaos.acts import Scene

WEIGHT = 3


def play(scene: Scene) -> None:
    """The 202 is a promise all the same."""
    scene.customer.submit(scene.question("small"))
    scene.customer.pause(0.2)
