"""The models of this server: list, detail, example query, genes."""

from __future__ import annotations

import orjson
from fastapi import APIRouter, Response
from starlette.concurrency import run_in_threadpool

from api.dependencies import ModelOf, PlugsOf, WorkspaceId
from api.schemas.models import ExampleQuery, GeneList, ModelDetail, ModelList, ModelSummary
from shared.catalog import Model

router = APIRouter(prefix="/api/models", tags=["Models"])


@router.get("", summary="List the models")
async def list_models(plugs: PlugsOf, _: WorkspaceId) -> ModelList:
    """Every model that can be queried here. `origin` says whose weights they are."""
    models = plugs.catalog.models.values()
    return ModelList(models=[ModelSummary.of(model) for model in models])


@router.get("/{model_id}", summary="One model in detail")
async def show_model(model: ModelOf) -> ModelDetail:
    """Digests of its files, sizes of its latents, and how many terms it learnt of each field."""
    return ModelDetail.of(model)


@router.get("/{model_id}/example-query", summary="A query to start from")
async def example_query(model: ModelOf) -> ExampleQuery:
    """A query that this server accepts as it stands."""
    return ExampleQuery(example_query=dict(model.manifest.example_query))


@router.get(
    "/{model_id}/genes",
    summary="The genes of a model",
    response_class=Response,
    responses={200: {"model": GeneList}},
)
async def genes(model: ModelOf) -> Response:
    """Ensembl ids and symbols, in the order of every count vector."""
    return Response(await run_in_threadpool(_encode_genes, model), media_type="application/json")


def _encode_genes(model: Model) -> bytes:
    return orjson.dumps({"model_id": model.model_id, "genes": model.genes})
