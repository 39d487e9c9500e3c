"""An old job is looked at again: what was over stays over, and what was ready has the same bytes."""

from __future__ import annotations

from tests.system.chaos.acts import Scene
from tests.system.chaos.ledger import Wish

WEIGHT = 3


def play(scene: Scene) -> None:
    """Of the customer's own workspace, so that the key opens it; not one that somebody is deleting."""
    customer = scene.customer
    deleted = customer.ledger.wishes(Wish.DELETE)
    own = [job for job in customer.ledger.accepted if job.key == customer.key and job.job_id not in deleted]
    if not own:
        return
    job = scene.chance.choice(own)
    if customer.end(job, every=1)["status"] == "ready":
        customer.fetch(job)
    customer.state(job)
