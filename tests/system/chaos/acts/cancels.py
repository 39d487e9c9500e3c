"""A job that is cancelled at any moment: cancelled or ready, for good; what was finished can be read."""

from __future__ import annotations

from typing import Any

from tests.system.chaos.acts import Scene
from tests.system.chaos.answers import json_rows
from tests.system.chaos.ledger import Accepted, Wish

WEIGHT = 4


def play(scene: Scene) -> None:
    """Asked twice, it says the same twice. Parts of a result are sent to nobody who does not ask for them."""
    customer = scene.customer
    job = customer.submit(scene.question(scene.chance.choice(("small", "middling", "bulk", "bulk"))))
    customer.pause(scene.chance.expovariate(1.5))
    state = customer.cancel(job)
    if state["status"] == "ready":
        customer.fetch(job)
    elif state["status"] == "cancelled":
        _read_what_there_is(scene, job, state)
    if customer.cancel(job)["status"] != state["status"]:
        customer.ledger.breach("final is final", f"{job.job_id} was {state['status']} when it was cancelled")


def _read_what_there_is(scene: Scene, job: Accepted, state: dict[str, Any]) -> None:
    customer, path = scene.customer, f"/api/model-queries/{job.job_id}/result?format=json"
    whole = customer.ask("GET", path)
    if whole.status_code != 409 and job.job_id not in customer.ledger.wishes(Wish.DELETE):
        customer.ledger.breach("a cancelled job has no whole result", f"{job.job_id}: {whole.text[:200]}")
    if "partial_result" not in state["links"]:
        return
    part = customer.ask("GET", f"{path}&partial=true")
    done = state["progress"]["samples_done"]
    rows = json_rows(part.content) if part.status_code == 200 else []
    if len(rows) != done or not customer.answers[job.question.name].holds(rows):
        case = f"{job.job_id}: {len(rows)} of {done} samples, {part.status_code} {part.content[:200]!r}"
        customer.ledger.breach("what a cancelled job has done can be read", case)
