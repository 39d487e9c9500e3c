"""A query whose POST waits for its end: answered with the whole state in time, else with where to look."""

from __future__ import annotations

from http import HTTPStatus

from tests.system.chaos.acts import Scene

WEIGHT = 3


def play(scene: Scene) -> None:
    """Either way it is one job, and it is ready in the end."""
    customer, question = scene.customer, scene.question(scene.chance.choice(("small", "middling")))
    path = f"/api/models/{question.model_id}/predict"
    headers = {"Prefer": f"wait={scene.chance.randint(1, 5)}"}
    response = customer.ask("POST", path, json=customer.query(question), headers=headers)
    job = customer.accepted(question, response, HTTPStatus.OK)
    body = response.json()
    if response.status_code == HTTPStatus.OK:
        if customer.noted(job, body)["status"] != "ready" or "result" not in body["links"]:
            customer.ledger.breach("a POST that waited has the result's links", f"{job.job_id}: {body}")
    elif not response.headers["Location"].endswith(f"/api/model-queries/{job.job_id}"):
        customer.ledger.breach("an accepted job says where it is", f"{job.job_id}: {response.headers}")
    customer.wait(job)
    customer.fetch(job)
