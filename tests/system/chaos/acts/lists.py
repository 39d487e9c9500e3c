"""The customer's jobs, listed page by page while more come: each that was accepted is there once."""

from __future__ import annotations

from collections import Counter

import httpx

from tests.system.chaos.acts import Scene

WEIGHT = 2


def play(scene: Scene) -> None:
    """By the customer's name in their metadata; the deleted ones too."""
    customer = scene.customer
    own = {job.job_id for job in customer.ledger.accepted if job.customer == customer.name}
    query = httpx.QueryParams(
        {"metadata.customer": customer.name, "limit": scene.chance.choice((20, 50, 200))}
    )
    listed: Counter[str] = Counter()
    cursor: str | None = ""
    while cursor is not None:
        page = customer.ask(
            "GET", "/api/model-queries", params=query.set("cursor", cursor) if cursor else query
        )
        if page.status_code != 200:
            customer.ledger.breach("jobs can be listed", page.text[:300])
            return
        listed.update(summary["id"] for summary in page.json()["model_queries"])
        cursor = page.json()["next_cursor"]
    if own - set(listed) or max(listed.values(), default=1) > 1:
        twice = [job_id for job_id, times in listed.items() if times > 1]
        customer.ledger.breach("a list holds every job once", f"without {own - set(listed)}, twice {twice}")
