"""The endpoints of a workspace and what was sent to them, as tables."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from genequeue.client import Client

_NARROWEST = 190  # columns: ids are there to be copied, so that lines wrap and nothing is cut


def print_table(table: Table) -> None:
    """A table on standard output."""
    Console(highlight=False, width=max(Console().width, _NARROWEST)).print(table)


def endpoint_table(client: Client, limit: int) -> Table:
    """The newest endpoints. Raises GeneQueueError."""
    table = Table("id", "url", "events", "models", "state", box=None, header_style="bold")
    for one in client.get("/api/webhook-endpoints", limit=limit)["webhook_endpoints"]:
        state = "enabled" if one["enabled"] else f"disabled ({one['disabled_because']})"
        if one["enabled"] and one["failing_since"]:
            state = f"failing since {_local(one['failing_since'])}"
        events, models = (" ".join(one[name]) or "all" for name in ("events", "models"))
        table.add_row(one["id"], one["url"], events, models, state)
    return table


def delivery_table(client: Client, limit: int, wanted: dict[str, Any]) -> Table:
    """The newest deliveries of those that are wanted. Raises GeneQueueError."""
    table = Table(
        "id", "event", "query", "state", "attempts", "status", "next", "made", box=None, header_style="bold"
    )
    for one in client.get("/api/webhook-deliveries", limit=limit, **wanted)["webhook_deliveries"]:
        table.add_row(
            one["id"],
            one["kind"],
            one["job_id"] or "",
            one["state"],
            str(one["attempts"]),
            str(one["last_status"] or ""),
            _local(one["next_try_at"]) if one["next_try_at"] else "",
            _local(one["created_at"]),
        )
    return table


def _local(written: str) -> str:
    return f"{datetime.fromisoformat(written).astimezone():%Y-%m-%d %H:%M:%S}"
