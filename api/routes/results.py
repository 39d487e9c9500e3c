"""Results in the form that is asked for: streamed at once from the parts, or a file that is made of them."""

from __future__ import annotations

from functools import partial as partial_of
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from api.dependencies import BaseUrl, PlugsOf, WorkspaceId
from api.routes.made import Making
from api.routes.selecting import Wanted, groups_of, selection_of
from api.schemas.artifacts import ArtifactUnderWay, CompareBody
from api.schemas.errors import ErrorBody
from api.schemas.forms import ResultFormat, asked_for
from api.schemas.streams import stream_result
from api.services.artifacts import Wish
from api.services.gene_major import kept_by_gene, tables_by_gene
from api.services.results import answered_by, begun, chunks_of, chunks_with, header_by, read_parts
from api.services.status import job_of
from shared.database.engines import async_transaction
from shared.errors import InvalidInput
from shared.jobs.artifacts import ArtifactKind
from shared.jobs.states import JobState
from shared.results import arrow_form, csv_form, json_form
from shared.results.stored import PartRef

router = APIRouter(prefix="/api/model-queries/{query_id}", tags=["Results"])

_STREAMS = {
    ResultFormat.ARROW: (arrow_form.stream_arrow, "arrows"),
    ResultFormat.JSON: (json_form.stream_json, "json"),
    ResultFormat.CSV: (csv_form.stream_csv, "csv"),
}
_UNDER_WAY: dict[int | str, dict[str, Any]] = {
    202: {"model": ArtifactUnderWay, "description": "It is being made: ask again, or at `Location`."},
    409: {"model": ErrorBody, "description": "There is no result yet, or the file could not be made."},
}
Prefer = Annotated[str, Header(description="`wait=N`: seconds to wait for a file that is not made yet.")]


@router.head("/result", include_in_schema=False)
@router.get(
    "/result",
    summary="Fetch the result",
    response_class=Response,
    responses={200: {"content": {form.media_type: {} for form in ResultFormat}}, **_UNDER_WAY},
)
async def result(
    query_id: str,
    workspace_id: WorkspaceId,
    plugs: PlugsOf,
    base_url: BaseUrl,
    request: Request,
    format: Annotated[ResultFormat | None, Query(description="Wins over the Accept header.")] = None,
    genes: Annotated[str | None, Query(description="Symbols or Ensembl ids: `TP53,ENSG00000136997`.")] = None,
    inputs: Annotated[str | None, Query(description="Positions, ranges or custom ids: `0-9,42`.")] = None,
    columns: Annotated[
        str | None, Query(description="`counts`, `metadata`, `latents`, `probabilities`, or single ones.")
    ] = None,
    partial: Annotated[bool, Query(description="What is finished of a query that is not ready.")] = False,
    prefer: Prefer = "",
) -> Response:
    """The samples: all of them, or those, the genes and the columns that are asked for.

    `arrow`, `json` and `csv` are streamed at once. `parquet`, `h5ad` and `mtx` are files, made once: 202
    while one is made, with ranges and a digest once it is there. Where genes are named and no columns,
    latents are left out. 409 while there is no result, 410 once it was deleted.
    """
    form = format or asked_for(request.headers.get("accept", ""))
    async with async_transaction(plugs.engine) as session:
        job = await job_of(session, query_id, workspace_id)
        chunks = await chunks_of(session, job, partial=partial)
    offer = await answered_by(job, plugs.models)
    selection = selection_of(Wanted(genes, inputs, columns), form, offer)
    if selection.inputs is not None:
        async with async_transaction(plugs.engine) as session:
            chunks = await chunks_with(session, job, chunks, selection.inputs)
    parts = tuple(PartRef.of(chunk) for chunk in chunks)
    if form.is_made:
        wanted: dict[str, Any] = {"form": str(form), "selection": selection.to_json()}
        if job.state != JobState.READY or selection.inputs is not None:
            wanted["parts"] = [chunk.position for chunk in chunks]
        samples = sum(part.num_samples for part in parts)
        making = Making(plugs, request, base_url, job, offer)
        return await making.answer(Wish(ArtifactKind.EXPORT, wanted, samples), prefer)
    header, (stream, suffix) = header_by(job, offer), _STREAMS[form]
    if kept := await kept_by_gene(plugs.engine, plugs.storage, job, offer, selection):
        opened = partial_of(tables_by_gene, plugs.storage, kept, selection)
    else:
        opened = partial_of(read_parts, plugs.storage, parts, selection, len(header.gene_order))
    tables = await run_in_threadpool(begun, opened, selection)
    pieces = stream(selection.header(header), tables)
    answer = stream_result(request, pieces, form.media_type, f"{job.id}.{suffix}")
    return Response(headers=dict(answer.headers)) if request.method == "HEAD" else answer


@router.get(
    "/summary",
    summary="A look at the result",
    response_class=Response,
    responses={200: {"content": {"application/json": {}}}, **_UNDER_WAY},
)
async def summary(
    query_id: str,
    workspace_id: WorkspaceId,
    plugs: PlugsOf,
    base_url: BaseUrl,
    request: Request,
    prefer: Prefer = "",
) -> Response:
    """Library sizes, detected genes, the genes that vary most, and samples in a plane. Made once."""
    async with async_transaction(plugs.engine) as session:
        job = await job_of(session, query_id, workspace_id)
        await chunks_of(session, job)
    offer = await answered_by(job, plugs.models)
    wish = Wish(ArtifactKind.SUMMARY, {"form": "json"}, job.samples_done)
    return await Making(plugs, request, base_url, job, offer).answer(wish, prefer)


@router.post(
    "/compare",
    summary="Compare two groups of samples",
    response_class=Response,
    responses={
        200: {"content": {"application/json": {}, ResultFormat.PARQUET.media_type: {}}},
        422: {"model": ErrorBody, "description": "A group names what there is not."},
        **_UNDER_WAY,
    },
)
async def compare(
    query_id: str,
    body: CompareBody,
    workspace_id: WorkspaceId,
    plugs: PlugsOf,
    base_url: BaseUrl,
    request: Request,
    format: Annotated[ResultFormat | None, Query(description="json or parquet.")] = None,
    prefer: Prefer = "",
) -> Response:
    """Differential expression: Welch's t on log2(CPM + 1), p-values adjusted by Benjamini and Hochberg.

    A gene each row, the surest first; a fold change above zero is more in `a`. The same comparison again is
    answered at once. 409 for groups that share samples or have fewer than two.
    """
    form = format or _json_or_parquet(request)
    if form not in {ResultFormat.JSON, ResultFormat.PARQUET}:
        raise InvalidInput(f"format: A comparison is sent as json or parquet, not as {form}.")
    a, b = groups_of(body)
    async with async_transaction(plugs.engine) as session:
        job = await job_of(session, query_id, workspace_id)
        await chunks_of(session, job)
    offer = await answered_by(job, plugs.models)
    wanted = {"form": str(form), "a": a.to_json(), "b": b.to_json()}
    wish = Wish(ArtifactKind.COMPARISON, wanted, job.samples_done)
    return await Making(plugs, request, base_url, job, offer).answer(wish, prefer)


def _json_or_parquet(request: Request) -> ResultFormat:
    found = asked_for(request.headers.get("accept", ""))
    return ResultFormat.PARQUET if found is ResultFormat.PARQUET else ResultFormat.JSON
