"""A job that is deleted, over or not: its result is gone, the job says so, and it is never unknown."""

from __future__ import annotations

from tests.system.chaos.acts import Scene

WEIGHT = 2


def play(scene: Scene) -> None:
    """Deleting it again changes nothing."""
    customer = scene.customer
    job = customer.submit(scene.question(scene.chance.choice(("small", "middling"))))
    if scene.chance.random() < 0.5:
        customer.wait(job)
        customer.fetch(job)
    else:
        customer.pause(scene.chance.uniform(0, 1))
    customer.delete(job)
    gone = customer.ask("GET", f"/api/model-queries/{job.job_id}/result")
    if gone.status_code != 410 or gone.json()["code"] != "result_gone":
        customer.ledger.breach("a deleted result is gone", f"{job.job_id}: {gone.text[:300]}")
    if (state := customer.state(job))["status"] != "expired":
        customer.ledger.breach("a deleted job says so", f"{job.job_id}: {state['status']}")
    customer.delete(job)
