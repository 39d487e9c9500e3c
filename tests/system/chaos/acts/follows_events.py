"""A job followed by its server-sent events, over cuts: every number once, in order, up to an end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus

import httpx

from tests.system.chaos.acts import Scene
from tests.system.chaos.customer import ASK_AGAIN
from tests.system.chaos.ledger import Accepted

WEIGHT = 3
_ENDS = frozenset({"query.ready", "query.failed", "query.cancelled", "query.expired"})
# Less than the server's comments need: a silent stream is a cut one here.
_TIMEOUT = httpx.Timeout(15, read=5)


def play(scene: Scene) -> None:
    """The reader hangs up by itself, too, and carries on behind the last number that it has."""
    customer = scene.customer
    job = customer.submit(scene.question(scene.chance.choice(("small", "middling", "bulk"))))
    seen, kind = 0, ""
    while kind not in _ENDS:
        for number, told in _some_events(scene, job, seen):
            if number != seen + 1:
                customer.ledger.breach("events have no gaps", f"{job.job_id}: {number} after {seen}")
            seen, kind = number, told
        customer.pause(0.1)
    customer.wait(job)
    customer.fetch(job)
    after = customer.ask("GET", _path(job), headers={"Last-Event-ID": str(seen)})
    if after.status_code != HTTPStatus.NO_CONTENT:
        customer.ledger.breach("nothing comes after the end", f"{job.job_id}: {after.text[:200]}")


def _some_events(scene: Scene, job: Accepted, seen: int) -> Iterator[tuple[int, str]]:
    """Number and kind of the events of one connection, which lasts for a random number of them at most."""
    customer, headers = scene.customer, {"Last-Event-ID": str(seen)}
    left = scene.chance.randint(1, 12)
    number = 0
    with suppress(httpx.TransportError):
        with customer.http.stream(
            "GET", customer.url() + _path(job), headers=headers, timeout=_TIMEOUT
        ) as response:
            if response.status_code != HTTPStatus.OK:
                _refused(scene, job, response)
                return
            for line in response.iter_lines():
                field, _, value = line.partition(": ")
                if field == "id":
                    number = int(value)
                elif field == "event":
                    yield number, value
                    left -= 1
                if left == 0 or customer.over.is_set():
                    return


def _refused(scene: Scene, job: Accepted, response: httpx.Response) -> None:
    scene.customer.ledger.saw(f"events {response.status_code}")
    if response.status_code not in ASK_AGAIN:
        scene.customer.ledger.breach("events can be followed", f"{job.job_id}: {response.status_code}")


def _path(job: Accepted) -> str:
    return f"/api/model-queries/{job.job_id}/events"
