"""A job watched by long polls: each answer is newer than the last, progress only grows."""

from __future__ import annotations

from http import HTTPStatus

from tests.system.chaos.acts import Scene
from tests.system.chaos.customer import OVER

WEIGHT = 2


def play(scene: Scene) -> None:
    """The ETag of one API process is good at the other one."""
    customer = scene.customer
    job = customer.submit(scene.question(scene.chance.choice(("middling", "bulk"))))
    path = f"/api/model-queries/{job.job_id}?wait={scene.chance.randint(1, 5)}"
    etag, status, done, newest = "", "", 0, 0
    while status not in OVER:
        headers = {"If-None-Match": etag} if etag else {}
        response = customer.ask("GET", path, headers=headers)
        if response.status_code == HTTPStatus.NOT_MODIFIED:
            customer.pause(0)
            continue
        state = customer.noted(job, response.json())
        etag, status = response.headers["ETag"], state["status"]
        number, samples = int(etag.strip('W/"')), state["progress"]["samples_done"]
        if samples < done or number < newest + bool(newest):
            case = f"{job.job_id}: {samples} samples after {done}, event {number} after {newest}"
            customer.ledger.breach("a newer state is newer", case)
        done, newest = samples, number
        customer.pause(0)
    customer.wait(job)
    customer.fetch(job)
