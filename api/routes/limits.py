"""What this server takes: every limit, and the setting that moves it."""

from __future__ import annotations

from fastapi import APIRouter

from api.dependencies import PlugsOf, WorkspaceId
from api.schemas.limits import LimitsBody, limits_of

router = APIRouter(prefix="/api/limits", tags=["Predict"])


@router.get("", summary="Limits of this server")
async def limits(_: WorkspaceId, plugs: PlugsOf) -> LimitsBody:
    """Every limit with its value; a refusal names the same, beside what was sent."""
    return limits_of(plugs.settings)
