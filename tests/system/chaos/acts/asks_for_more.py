"""A query of several chunks, polled at leisure, fetched by its signed link as the hosted clients do."""

from __future__ import annotations

from urllib.parse import urlsplit

from tests.system.chaos.acts import Scene
from tests.system.chaos.questions import digest

WEIGHT = 4


def play(scene: Scene) -> None:
    """The link of one API process is good at the other one."""
    customer = scene.customer
    job = customer.submit(scene.question("middling"))
    link = urlsplit(customer.wait(job, every=0.5)["downloadUrl"])
    content = customer.ask("GET", f"{link.path}?{link.query}").content
    if digest(content) != customer.answers[job.question.name].json_sha256:
        customer.ledger.breach("a download equals the undisturbed one", f"{job.job_id}: {content[:200]!r}")
