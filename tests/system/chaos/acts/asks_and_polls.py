"""A few samples, polled until they are ready, fetched and compared."""

from __future__ import annotations

from tests.system.chaos.acts import Scene

WEIGHT = 6


def play(scene: Scene) -> None:
    """As the public clients do, but never giving up."""
    job = scene.customer.submit(scene.question("small"))
    scene.customer.wait(job)
    scene.customer.fetch(job)
