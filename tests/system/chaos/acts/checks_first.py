"""A query that is validated, and not sent: nothing is saved of it."""

from __future__ import annotations

from tests.system.chaos.acts import Scene
from tests.system.chaos.questions import NEVER_SAVED

WEIGHT = 1


def play(scene: Scene) -> None:
    """The answer says how many samples it would be."""
    question = scene.question("middling")
    path = f"/api/models/{question.model_id}/validate"
    response = scene.customer.ask("POST", path, json={**question.body, "source": NEVER_SAVED})
    if response.status_code != 200 or response.json()["samples"] != question.samples:
        scene.customer.ledger.breach("a good query is valid", f"{question.name}: {response.text[:300]}")
