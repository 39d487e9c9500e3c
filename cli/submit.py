"""`genequeue submit` and `genequeue status`: a query from a file, its progress, its result as a file."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli.check import show_check
from cli.client import Client
from cli.coverage import recall_coverage, show_coverage
from cli.options import DEFAULT_URL, Key, Output, Url, Wait
from shared.errors import GeneQueueError, InvalidInput

console = Console(stderr=True)
# Imported only when asked for: AnnData alone takes a second.
FORMATS = {".parquet": "write_parquet", ".h5ad": "write_h5ad", ".csv": "write_csv"}


def submit(
    query: Annotated[str, typer.Argument(help="A JSON file with the query, or - for standard input.")],
    model: Annotated[str, typer.Option("--model", "-m", help="The model's id; see `genequeue models`.")],
    wait: Wait = False,
    output: Output = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only say whether the query is valid, and what it will cost.")
    ] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Send a query; print its id, or wait for its result and write it to a file."""
    if check and (wait or output is not None):
        raise InvalidInput("--check runs nothing: there is no result to wait for or to write. Leave one out.")
    if output is not None and output.suffix not in FORMATS:
        raise InvalidInput(
            f"{output} ends in {output.suffix or 'nothing'!r}; it can end in {', '.join(FORMATS)}."
        )
    client = Client(url, key)
    if check:
        show_check(Console(), client.post(f"/api/models/{model}/validate", _read_query(query)))
        return
    job_id = client.post(f"/api/models/{model}/predict", _read_query(query))["modelQueryId"]
    print(job_id)
    state = next(client.watch(job_id))
    show_coverage(console, state["coverage"], state["warnings"])
    if wait or output is not None:
        follow(client, job_id)
        recall_coverage(console, state["coverage"])
    if output is not None:
        download(client, job_id, output)


def status(
    job_id: Annotated[str, typer.Argument(help="What `genequeue submit` printed.")],
    wait: Wait = False,
    output: Output = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Say how a query stands; wait for it and write its result if asked to."""
    client = Client(url, key)
    if wait or output is not None:
        state = follow(client, job_id)
        show_coverage(console, state["coverage"], state["warnings"])
    if output is not None:
        download(client, job_id, output)
        return
    state = client.get(f"/api/model-queries/{job_id}")
    print(json.dumps(state, indent=2))


def follow(client: Client, job_id: str) -> dict[str, Any]:
    """Draw progress in samples until the job ends; its last state. Raises GeneQueueError without a result."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    state: dict[str, Any] = {}
    try:
        with Progress(*columns, console=console) as progress:
            bar = progress.add_task("queued")
            for state in client.watch(job_id):
                done, total = state["progress"]["samples_done"], state["progress"]["samples_total"]
                progress.update(bar, description=state["status"], completed=done, total=total)
    except KeyboardInterrupt:
        console.print(f"The query goes on without you. See how it stands: genequeue status {job_id}")
        raise typer.Exit(130) from None
    if state.get("status") != "ready":
        raise GeneQueueError(
            f"The query ended as {state.get('status')}: {state.get('error') or 'no reason given'}"
        )
    return state


def download(client: Client, job_id: str, output: Path) -> None:
    """Write a ready result to a file, whole or not at all."""
    state = client.get(f"/api/model-queries/{job_id}")
    genes = client.get(f"/api/models/{state['model_id']}/genes")["genes"]
    writer = getattr(import_module("cli.files"), FORMATS[output.suffix])
    rows = import_module("cli.files").save(client, state, genes, output, writer)
    console.print(f"{rows} samples in {output} ({output.stat().st_size / 1e6:.1f} MB)")


def _read_query(source: str) -> Any:
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text()
    except OSError as error:
        raise InvalidInput(f"The query {source} cannot be read: {error.strerror}.") from error
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidInput(f"{source} is not JSON: {error}.") from error
