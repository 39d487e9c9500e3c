"""One query sent several times under one key, at once and to both API processes: one job."""

from __future__ import annotations

import random
import uuid
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

import httpx

from tests.system.chaos.acts import Scene
from tests.system.chaos.customer import Customer, StormOver
from tests.system.chaos.questions import Question

WEIGHT = 4
_POSTS = 4
_REPLAYED = "Idempotent-Replayed"


def play(scene: Scene) -> None:
    """The first answer may have been lost on its way, so all that were seen may be repeats."""
    customer, question = scene.customer, scene.question(scene.chance.choice(("small", "middling")))
    key = str(uuid.UUID(int=scene.chance.getrandbits(128)))
    with ThreadPoolExecutor(_POSTS) as pool:
        chances = [random.Random(scene.chance.random()) for _ in range(_POSTS)]
        answers = list(pool.map(lambda chance: _post(scene, question, key, chance), chances))
    for answer in answers:
        if answer is not None:
            job = customer.accepted(question, answer)
            customer.ledger.keep(key, job.job_id)
    heard = [answer for answer in answers if answer is not None]
    if sum(_REPLAYED not in answer.headers for answer in heard) > 1:
        customer.ledger.breach("a repeat is said to be one", f"{key}: {[one.headers for one in heard]}")
    if heard:
        _send_another(scene, question, key)
        customer.wait(job)
        customer.fetch(job)


def _post(scene: Scene, question: Question, key: str, chance: random.Random) -> httpx.Response | None:
    """One of the posts, from a thread of its own; None where the storm ended before it was answered."""
    customer = Customer(scene.customer.town, scene.customer.key, chance, scene.customer.name)
    path = f"/api/models/{question.model_id}/predict"
    body = customer.query(question, {"client_metadata": {"key": key}})
    try:
        return customer.ask(
            "POST", path, again={HTTPStatus.CONFLICT}, json=body, headers={"Idempotency-Key": key}
        )
    except StormOver:
        return None
    finally:
        customer.close()


def _send_another(scene: Scene, question: Question, key: str) -> None:
    """Another query under the same key is refused."""
    body = scene.customer.query(question, {"seed": 0, "client_metadata": {"key": key}})
    path = f"/api/models/{question.model_id}/predict"
    response = scene.customer.ask("POST", path, json=body, headers={"Idempotency-Key": key})
    if response.status_code != 422 or response.json()["code"] != "idempotency_key_reused":
        scene.customer.ledger.breach("a key is of one query", f"{key}: {response.text[:300]}")
