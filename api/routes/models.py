"""The models of this server: list, detail, example query, genes."""

from __future__ import annotations

import orjson
from fastapi import APIRouter, Response
from starlette.concurrency import run_in_threadpool

from api.dependencies import OfferOf, PlugsOf, WorkspaceId
from api.schemas.models import ExampleQuery, GeneList, ModelDetail, ModelList, ModelSummary
from shared.catalog import Offer

router = APIRouter(prefix="/api/models", tags=["Models"])


@router.get("", summary="List the models")
async def list_models(plugs: PlugsOf, _: WorkspaceId) -> ModelList:
    """Every model that can be queried here. `origin` says whose weights they are."""
    catalog = plugs.catalog
    offers = catalog.offers.items()
    return ModelList(models=[ModelSummary.of(offer, catalog.versions_of(name)) for name, offer in offers])


@router.get("/{model_id}", summary="One model in detail")
async def show_model(offer: OfferOf, plugs: PlugsOf) -> ModelDetail:
    """Digests of its files, sizes of its latents, and how many terms it learnt of each field."""
    return ModelDetail.of(offer, plugs.catalog.versions_of(offer.public_id))


@router.get("/{model_id}/example-query", summary="A query to start from")
async def example_query(offer: OfferOf) -> ExampleQuery:
    """A query that this server accepts as it stands."""
    return ExampleQuery(example_query=dict(offer.example_query))


@router.get(
    "/{model_id}/genes",
    summary="The genes of a model",
    response_class=Response,
    responses={200: {"model": GeneList}},
)
async def genes(offer: OfferOf) -> Response:
    """Ensembl ids and symbols, in the order of every count vector."""
    return Response(await run_in_threadpool(_encode_genes, offer), media_type="application/json")


def _encode_genes(offer: Offer) -> bytes:
    return orjson.dumps({"model_id": offer.public_id, "genes": offer.model.genes})
