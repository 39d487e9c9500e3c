"""How an event looks on a terminal: one line, with the colour of what happened."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rich.text import Text

from cli.webhooks.request import Request
from shared.jobs.events import EventKind

_STYLES: Mapping[str, str] = {
    EventKind.QUEUED: "blue",
    EventKind.RUNNING: "cyan",
    EventKind.PROGRESS: "cyan",
    EventKind.READY: "bold green",
    EventKind.FAILED: "bold red",
    EventKind.CANCELLED: "yellow",
    EventKind.EXPIRED: "magenta",
}
_WIDTH = max(map(len, EventKind))


def event_line(request: Request, at: datetime, *, again: bool = False) -> Text:
    """Time, type, query, model, progress and status; `again` where the same message came before."""
    payload = request.payload
    kind = str(payload.get("type", "?"))
    data: Any = payload.get("data")
    said = _said(data if isinstance(data, Mapping) else {})
    line = Text.assemble((f"{at:%H:%M:%S}", "dim"), "  ", (f"{kind:<{_WIDTH}}", _STYLES.get(kind, "")), "  ")
    line.append(said)
    if again:
        line.append("  (came before: the same webhook-id)", "dim")
    return line


def _said(data: Mapping[str, Any]) -> str:
    if "endpoint_id" in data:
        return f"endpoint {data['endpoint_id']}"
    progress = data.get("progress")
    done = f"{progress['samples_done']}/{progress['samples_total']}" if progress else None
    parts = (data.get("id"), data.get("model_id"), done, data.get("status"), data.get("error"))
    return "  ".join(str(part) for part in parts if part is not None)


def forwarded(status: int | None, url: str, seconds: float) -> Text:
    """What came of passing an event on; no status where there was no answer."""
    if status is None:
        return Text.assemble("  -> ", (f"{url} does not answer", "bold red"))
    style = "green" if 200 <= status < 300 else "bold red"
    return Text.assemble("  -> ", (str(status), style), f" {url} {seconds * 1000:.0f} ms")
