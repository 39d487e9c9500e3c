"""The events of a model query: as server-sent events, and as a list."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

import orjson
from pydantic import BaseModel

from shared.database.tables import Event

MEDIA_TYPE = "text/event-stream"
COMMENT = ": still here\n\n"


class EventBody(BaseModel):
    """One thing that happened to a query."""

    number: int
    kind: str
    created_at: datetime
    data: dict[str, Any]

    @classmethod
    def of(cls, event: Event) -> Self:
        """The event's row."""
        return cls(number=event.number, kind=event.kind, created_at=event.created_at, data=event.data)


class EventList(BaseModel):
    """What happened so far, in order."""

    events: list[EventBody]


def event_text(event: Event) -> str:
    """The event: its number as `id`, its kind as `event`, and all that is known of it as `data`."""
    body = {
        "id": event.job_id,
        "number": event.number,
        "kind": event.kind,
        "created_at": event.created_at,
        **event.data,
    }
    return f"id: {event.number}\nevent: {event.kind}\ndata: {orjson.dumps(body).decode()}\n\n"
