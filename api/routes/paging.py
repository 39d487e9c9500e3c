"""A page of a list that is read the newest first: what is shown of what was found, and the way on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

from fastapi import Request, Response

from api.schemas.cursors import cursor_of
from shared.database.queries.listing import Place


class Row(Protocol):
    """What has a place in the order."""

    id: UUID
    created_at: datetime


R = TypeVar("R", bound=Row)


def cut(found: Sequence[R], limit: int) -> tuple[Sequence[R], str | None]:
    """What is shown of `limit` + 1 rows or fewer, and the cursor of the next page if there is one."""
    shown = found[:limit]
    more = len(found) > limit
    return shown, cursor_of(Place(shown[-1].created_at, shown[-1].id)) if more else None


def lead_on(response: Response, request: Request, base_url: str, cursor: str | None) -> None:
    """The Link header of the next page, with the filters of this one."""
    if cursor is not None:
        url = request.url.include_query_params(cursor=cursor)
        response.headers["Link"] = f'<{base_url}{url.path}?{url.query}>; rel="next"'
