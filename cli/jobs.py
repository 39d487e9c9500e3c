"""`genequeue jobs`: the queries that were sent: list them, look at one, follow it, end it, try it again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cli.console import say
from cli.events import follow_events
from cli.options import DEFAULT_URL, Key, Url
from genequeue.client import Client
from shared.errors import InvalidInput

app = typer.Typer(
    help="Queries that were sent: list, show, tail, cancel, retry, delete.", no_args_is_help=True
)

JobId = Annotated[str, typer.Argument(help="What `genequeue submit` printed.")]
_PAGE = 200
_SHOWN = ("status", "model_id", "model_version", "priority", "seed", "created_at", "expires_at", "error")
_WAITING = ("waiting_for", "ends_at", "deadline")


@app.command("list")
def list_jobs(
    state: Annotated[list[str] | None, typer.Option("--state", help="Only those; may be repeated.")] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Only those of this model.")] = None,
    metadata: Annotated[
        list[str] | None, typer.Option("--metadata", help="Only those sent with this pair: key=value.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="So many at most.")] = 20,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """List your queries, the newest first."""
    wanted: dict[str, Any] = {"state": state or [], **_pairs(metadata or [])}
    if model is not None:
        wanted["model"] = model
    table = Table(
        "id", "state", "model", "samples", "lane", "sent", "metadata", box=None, header_style="bold"
    )
    for job in _pages(Client(url, key), wanted, limit):
        progress = job["progress"]
        table.add_row(
            job["id"],
            job["status"],
            job["model_id"],
            f"{progress['samples_done']}/{progress['samples_total']}",
            job["priority"],
            f"{_local(job['created_at']):%Y-%m-%d %H:%M}",
            " ".join(f"{name}={value}" for name, value in job["client_metadata"].items()),
        )
    Console(highlight=False).print(table)


@app.command()
def show(job_id: JobId, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Show a query and its timeline."""
    client = Client(url, key)
    state = client.get(f"/api/model-queries/{job_id}")
    progress = state["progress"]
    say(f"samples: {progress['samples_done']} of {progress['samples_total']}")
    for name in (*_SHOWN, *_WAITING):
        if state[name] is not None:
            say(f"{name}: {state[name]}")
    for failure in state["failures"]:
        say(f"{failure['path']}: {failure['reason']}", "red")
    say("timeline:")
    for event in client.get(f"/api/model-queries/{job_id}/events")["events"]:
        say(f"  {_line(event, event['data'])}")


@app.command()
def tail(job_id: JobId, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Print each thing that happens to a query, until it ends."""
    for event in follow_events(Client(url, key), job_id):
        known = {"id", "number", "kind", "created_at"}
        say(_line(event, {name: value for name, value in event.items() if name not in known}))


@app.command()
def cancel(job_id: JobId, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Stop a query. What is finished of it is kept."""
    state = Client(url, key).post(f"/api/model-queries/{job_id}/cancel", None)
    say(f"{job_id} is {state['status']}.")


@app.command()
def retry(job_id: JobId, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Send the failed inputs of a query again; print the id of the new one."""
    print(Client(url, key).post(f"/api/model-queries/{job_id}/retry-failed", None)["modelQueryId"])


@app.command()
def delete(job_id: JobId, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Remove the result and the inputs of a query, for good."""
    Client(url, key).delete(f"/api/model-queries/{job_id}")
    say(f"{job_id} is deleted.")


def _pages(client: Client, wanted: dict[str, Any], limit: int) -> Iterator[dict[str, Any]]:
    asked = dict(wanted)
    while limit > 0:
        page = client.get("/api/model-queries", limit=min(limit, _PAGE), **asked)
        yield from page["model_queries"]
        limit -= len(page["model_queries"])
        if page["next_cursor"] is None:
            return
        asked["cursor"] = page["next_cursor"]


def _pairs(written: list[str]) -> dict[str, str]:
    found = dict[str, str]()
    for pair in written:
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise InvalidInput(f"--metadata {pair!r} is not a pair. Write it as key=value.")
        found[f"metadata.{name}"] = value
    return found


def _line(event: dict[str, Any], data: dict[str, Any]) -> str:
    said = " ".join(f"{name}={value}" for name, value in data.items())
    return f"{_local(event['created_at']):%H:%M:%S} {event['number']:>4} {event['kind']} {said}".rstrip()


def _local(written: str) -> datetime:
    return datetime.fromisoformat(written).astimezone()
