"""The events of a query as the server sends them, over as many connections as it takes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from typing import Any

from genequeue.client import Client, ServerAway

FINAL_KINDS = {f"query.{state}" for state in ("ready", "failed", "cancelled", "expired")}
_EVENT_STREAM = "text/event-stream"
_PAUSE_SECONDS, _PATIENCE_SECONDS = 0.5, 60.0


def follow_events(client: Client, job_id: str) -> Iterator[dict[str, Any]]:
    """Every event of a query, in order, until the one that ends it.

    A connection that is cut is made again behind the last event that came. Raises RequestFailed.
    """
    seen, kind, last_answer = 0, "", time.monotonic()
    while kind not in FINAL_KINDS:
        headers = {"Last-Event-ID": str(seen)}
        try:
            path = f"/api/model-queries/{job_id}/events"
            with client.stream(path, _EVENT_STREAM, **headers) as response:
                if response.status_code == 204:
                    return
                for event in parse_events(response.iter_lines()):
                    seen, kind, last_answer = event["number"], event["kind"], time.monotonic()
                    yield event
        except ServerAway:
            if time.monotonic() - last_answer > _PATIENCE_SECONDS:
                raise
            time.sleep(_PAUSE_SECONDS)


def parse_events(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The data of each event that arrived whole: one that was cut has no empty line behind it."""
    data = ""
    for line in lines:
        if line.startswith("data: "):
            data = line.removeprefix("data: ")
        elif not line and data:
            yield json.loads(data)
            data = ""
