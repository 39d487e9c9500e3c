"""Two queries, one that can wait and one that cannot: each in the lane that it asks for."""

from __future__ import annotations

from tests.system.chaos.acts import Scene

WEIGHT = 1


def play(scene: Scene) -> None:
    """Size does not decide where the query says how urgent it is."""
    customer = scene.customer
    small, large = scene.question("small"), scene.question("middling")
    lanes = [
        (customer.submit(small, {"priority": "bulk"}), "bulk"),
        (customer.submit(large, {"priority": "interactive"}), "interactive"),
    ]
    for job, lane in lanes:
        customer.wait(job)
        if (told := customer.state(job)["priority"]) != lane:
            customer.ledger.breach("a job is in the lane that was asked for", f"{job.job_id}: {told}")
