"""Hundreds or thousands of samples, submitted and left alone; the checker looks after them."""

from __future__ import annotations

from tests.system.chaos.acts import Scene

WEIGHT = 3


def play(scene: Scene) -> None:
    """No two of one customer at once: the storm is to end some time."""
    job = scene.customer.submit(scene.question("bulk"), {"priority": "bulk"})
    scene.customer.wait(job, every=2)
