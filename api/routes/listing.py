"""The model queries of a workspace, listed: the newest first, a page at a time, filtered."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime

from api.dependencies import BaseUrl, PlugsOf, Work, WorkspaceId
from api.routes.paging import cut, lead_on
from api.routes.shown import links_of
from api.schemas.cursors import metadata_filter, place_of
from api.schemas.jobs import Summary, SummaryPage
from shared.database.queries.listing import JobFilter, jobs_of_workspace
from shared.jobs.states import JobState

router = APIRouter(prefix="/api/model-queries", tags=["Model queries"])


@router.get("", summary="List your queries")
async def queries(
    workspace_id: WorkspaceId,
    work: Work,
    plugs: PlugsOf,
    base_url: BaseUrl,
    request: Request,
    response: Response,
    state: Annotated[list[JobState], Query(description="May be given several times.")] = [],  # noqa: B006
    model: Annotated[
        str | None, Query(description="The id to which the query was sent.", pattern="^[ -~]{1,200}$")
    ] = None,
    created_after: AwareDatetime | None = None,
    created_before: AwareDatetime | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(description="The `next_cursor` of the page before.")] = None,
) -> SummaryPage:
    """The newest first. `metadata.<key>=<value>` keeps those that were sent with that pair.

    Queries that are submitted meanwhile move nothing: no page repeats or misses one that was there. The next
    page is also in the header `Link: <...>; rel="next"`.
    """
    metadata = metadata_filter(request.query_params.multi_items())
    wanted = JobFilter(tuple(state), model, created_after, created_before, metadata)
    behind = place_of(cursor) if cursor is not None else None
    # One more than is shown tells whether there is another page.
    found = (await work.session.scalars(jobs_of_workspace(workspace_id, wanted, behind, limit + 1))).all()
    jobs, next_cursor = cut(found, limit)
    lead_on(response, request, base_url, next_cursor)
    summaries = [Summary.of(job, links_of(job, plugs, base_url)) for job in jobs]
    return SummaryPage(model_queries=summaries, next_cursor=next_cursor)
