"""Figures for Prometheus: to callers in private networks, unless the operator opens or closes the route."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST

from api.dependencies import PlugsOf
from api.services.figures import all_figures
from shared.errors import AccessDenied, NotFound

router = APIRouter(tags=["Health"])

# Who comes through a proxy has the proxy's address, which is private; these say so.
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "Prometheus' text format."}},
)
async def metrics(request: Request, plugs: PlugsOf) -> Response:
    """Queue depth, oldest age, workers, request latency. Who may read: `GENEQUEUE_METRICS`."""
    allowed = plugs.settings.metrics
    if allowed == "off":
        raise NotFound("This server shows no figures (GENEQUEUE_METRICS is off).")
    if allowed == "private" and not _comes_from_nearby(request):
        raise AccessDenied(
            "Figures are shown to callers in private networks that come without a proxy. "
            "The operator may set GENEQUEUE_METRICS=on to show them to everybody."
        )
    figures = await all_figures(plugs.engine, plugs.catalog.held.keys())
    return Response(figures, headers={"Cache-Control": "no-store"}, media_type=CONTENT_TYPE_LATEST)


def _comes_from_nearby(request: Request) -> bool:
    if any(name in request.headers for name in _FORWARDED):
        return False
    if request.client is None:  # a Unix socket
        return True
    try:
        address = ip_address(request.client.host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return not address.is_global
