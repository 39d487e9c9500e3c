"""A query with faults: refused whatever is going on, and no row is left of it."""

from __future__ import annotations

from tests.system.chaos.acts import Scene
from tests.system.chaos.questions import NEVER_SAVED

WEIGHT = 1


def play(scene: Scene) -> None:
    """The refusal names the path of the fault."""
    question = scene.question("small")
    path = f"/api/models/{question.model_id}/predict"
    wrong = {**question.body, "source": NEVER_SAVED, "total_count": -1}
    response = scene.customer.ask("POST", path, json=wrong)
    if response.status_code != 422 or "total_count" not in response.text:
        scene.customer.ledger.breach("a query with faults is refused", response.text[:300])
