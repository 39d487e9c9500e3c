"""An old job is looked at again: what was ready stays ready, with the same bytes."""

from __future__ import annotations

from tests.system.chaos.acts import Scene

WEIGHT = 3


def play(scene: Scene) -> None:
    """Of the customer's own workspace, so that the key opens it."""
    customer = scene.customer
    own = [job for job in customer.ledger.accepted if job.key == customer.key]
    if not own:
        return
    job = scene.chance.choice(own)
    customer.wait(job, every=1)
    customer.fetch(job)
    if customer.status(job)["status"] != "ready":
        customer.ledger.breach("a ready job stays ready", job.job_id)
