"""What happened in a workspace, as a list to be read on from a cursor."""

from __future__ import annotations

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from shared.database.queries.feed import FeedPlace
from shared.errors import Fault, InvalidInput

_PLACE = re.compile(r"(\d{1,18}) (\d{1,18}) ([01])", re.ASCII)


class FeedEvent(BaseModel):
    """One thing that happened: to a query, or to the workspace."""

    kind: str = Field(examples=["query.ready", "webhook.endpoint_disabled"])
    created_at: datetime
    job_id: UUID | None = Field(description="The query; null for what is about none.")
    number: int | None = Field(description="Among the events of that query.")
    data: dict[str, Any]


class FeedPage(BaseModel):
    """Some of what happened, the oldest first."""

    events: list[FeedEvent]
    next_cursor: str | None = Field(
        description="Send it as `after` for what comes behind these; null where nothing ever happened."
    )
    more: bool = Field(description="Whether there is more already.")


def feed_cursor(place: FeedPlace) -> str:
    """The cursor of a place."""
    written = f"{place.written_by} {place.serial} {place.source}"
    return urlsafe_b64encode(written.encode()).decode().rstrip("=")


def feed_place(cursor: str) -> FeedPlace:
    """The place of a cursor. Raises InvalidInput for one that was not made here."""
    try:
        written = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (ValueError, binascii.Error):
        written = ""
    found = _PLACE.fullmatch(written)
    if found is None:
        message = "This cursor was not made by this route. Leave it out to begin with the oldest event."
        raise InvalidInput(message, (Fault("after", message),))
    return FeedPlace(*map(int, found.groups()))
