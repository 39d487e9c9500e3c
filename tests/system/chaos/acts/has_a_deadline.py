"""A deadline that may be too short: the job is ready, or it says that it was not done in time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.system.chaos.acts import Scene
from tests.system.chaos.ledger import Accepted

WEIGHT = 3
_FAR = timedelta(hours=6)


def play(scene: Scene) -> None:
    """What failed for lack of time alone can be tried again, and is ready then."""
    customer, question = scene.customer, scene.question(scene.chance.choice(("small", "middling", "bulk")))
    if scene.chance.random() < 0.3:
        far = {"deadline": (datetime.now(UTC) + _FAR).isoformat()}
        customer.wait(customer.submit(question, far), every=0.5)
        return
    seconds = scene.chance.choice((1, 1, 2, 4))
    job = customer.submit(question, headers={"Cancel-After": str(seconds)})
    state = customer.end(job)
    if state["status"] == "ready":
        customer.fetch(job)
    elif state["status"] == "failed" and "not done by its deadline" in (state["error"] or ""):
        _try_again(scene, job)
    else:
        customer.ledger.breach("a late job says that it is late", f"{job.job_id}: {_told(state)}")


def _try_again(scene: Scene, job: Accepted) -> None:
    customer = scene.customer
    response = customer.ask("POST", f"/api/model-queries/{job.job_id}/retry-failed")
    again = customer.accepted(job.question, response)
    if customer.state(again)["parent_id"] != job.job_id:
        customer.ledger.breach("what is tried again names its parent", f"{again.job_id} of {job.job_id}")
    customer.wait(again)
    customer.fetch(again)


def _told(state: dict[str, Any]) -> str:
    return f"{state['status']}: {state['error']}"
