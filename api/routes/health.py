"""Health: is the process alive, and can it serve?"""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Response

from api.dependencies import PlugsOf
from api.schemas.health import Alive, Readiness
from api.services.health import ENDING, OK, check_all

router = APIRouter(prefix="/health", tags=["Health"])


@router.get("/live", summary="Is the process alive?")
async def live() -> Alive:
    """Answers as long as the process does; asks nothing else."""
    return Alive()


@router.get(
    "/ready",
    summary="Can it serve?",
    responses={503: {"model": Readiness, "description": "Something that it needs does not answer."}},
)
async def ready(plugs: PlugsOf, response: Response) -> Readiness:
    """200 when Postgres, the storage and the catalog answer; otherwise 503, saying which does not.

    503 too where the process is about to end: it answers, but should get no new callers.
    """
    checks = await check_all(plugs.engine, plugs.storage, plugs.catalog)
    if plugs.watch.closed:
        checks["process"] = ENDING
    broken = [str(model) for model in plugs.catalog.broken]
    if all(verdict == OK for verdict in checks.values()):
        return Readiness(status="ready", checks=checks, broken_models=broken)
    response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return Readiness(status="not ready", checks=checks, broken_models=broken)
