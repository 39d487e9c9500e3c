"""Everything that happened in a workspace, to be read on from where one stopped, without webhooks."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

from fastapi import APIRouter, Query

from api.dependencies import Plugs, PlugsOf, WorkspaceId
from api.schemas.feed import FeedEvent, FeedPage, feed_cursor, feed_place
from shared.database.engines import async_transaction
from shared.database.queries.feed import FeedPlace, feed

router = APIRouter(prefix="/api/events", tags=["Webhooks"])

_LOOK_EVERY = 0.5  # seconds


@router.get("", summary="Catch up on everything that happened")
async def workspace_events(
    workspace_id: WorkspaceId,
    plugs: PlugsOf,
    after: Annotated[str | None, Query(description="The `next_cursor` of the last answer.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    wait: Annotated[float, Query(ge=0, le=60, description="Seconds to wait where there is nothing yet.")] = 0,
) -> FeedPage:
    """The events of all queries and the notices of the workspace, the oldest first.

    Keep `next_cursor` and send it as `after`: nothing is ever missed or repeated, whatever is committed
    meanwhile. Events stay as long as their queries.
    """
    place = feed_place(after) if after is not None else None
    until = time.monotonic() + wait
    while not (page := await _look(plugs, workspace_id, place, limit)).events:
        left = until - time.monotonic()
        if left <= 0:
            break
        await asyncio.sleep(min(left, _LOOK_EVERY))
    return page


async def _look(plugs: Plugs, workspace_id: int, place: FeedPlace | None, limit: int) -> FeedPage:
    """A page as it is now. A transaction of its own: waiting holds no connection."""
    async with async_transaction(plugs.engine) as session:
        rows = (await session.execute(feed(workspace_id, place, limit + 1))).all()
    events = []
    for source, written_by, serial, kind, created_at, data, job_id, number in rows[:limit]:
        events.append(FeedEvent(kind=kind, created_at=created_at, job_id=job_id, number=number, data=data))
        place = FeedPlace(written_by, serial, source)
    return FeedPage(events=events, next_cursor=feed_cursor(place) if place else None, more=len(rows) > limit)
