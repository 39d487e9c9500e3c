"""`genequeue submit` and `genequeue status`: conditions from a file, their progress, their result."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any
from uuid import uuid4

import typer
from rich.console import Console

from cli.carrying_on import Memory
from cli.check import show_check
from cli.coverage import recall_coverage, show_coverage
from cli.fetching import console, fetch, folder_in
from cli.options import DEFAULT_URL, Key, Output, Url, Wait, read_pairs
from genequeue.client import Client, queries
from genequeue.client.errors import AccessRefused, NotThere, QueryRefused
from genequeue.client.progress import bars
from genequeue.client.queries import Accepted, Attempt
from genequeue.client.submissions import Submission, digest_of, read_json, read_submission
from shared.errors import InvalidInput


def submit(
    query: Annotated[
        str,
        typer.Argument(
            help="A query or a design in .json, or conditions in .csv, .ndjson, .parquet; - is JSON on "
            "standard input."
        ),
    ],
    model: Annotated[str, typer.Option("--model", "-m", help="The model's id; see `genequeue models`.")],
    wait: Wait = False,
    output: Output = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only say whether the query is valid, and what it will cost.")
    ] = False,
    strategy: Annotated[
        str | None,
        typer.Option(help="'mean estimation', as for a file of conditions, or 'sample generation'."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same samples.")] = None,
    num_samples: Annotated[
        int | None, typer.Option(help="Of each condition whose row does not say; else 1.")
    ] = None,
    on_error: Annotated[
        str | None, typer.Option(help="Where rows are bad: 'reject', the default, or 'skip'.")
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option("--option", help="Any other option of a query: name=value.")
    ] = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Send conditions; print the query's id, or wait for its result and write it.

    Into a folder/, the same command goes on where it was stopped, and submits nothing twice.
    """
    if check and (wait or output is not None):
        raise InvalidInput("--check runs nothing: there is no result to wait for or to write. Leave one out.")
    folder = folder_in(output)
    options = {
        "sampling_strategy": strategy,
        "seed": seed,
        "num_samples": num_samples,
        "on_error": on_error,
        **read_pairs(option or []),
    }
    what, client = _read(query, model, options), Client(url, key)
    if check:
        with bars(console) as tell:
            answer = client.play(queries.check(what, model, tell))
        show_check(Console(), answer)
        return
    memory = Memory.recall(folder, digest_of(what, model)) if folder else None
    job_id = _accepted(client, what, model, memory)
    print(job_id)
    state = client.query(job_id).status()
    show_coverage(console, state["coverage"], state["warnings"])
    if wait or output is not None:
        fetch(client, job_id, output)
        recall_coverage(console, state["coverage"])


def status(
    job_id: Annotated[str, typer.Argument(help="What `genequeue submit` printed.")],
    wait: Wait = False,
    output: Output = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Say how a query stands; wait for it and write its result if asked to."""
    client = Client(url, key)
    folder_in(output)
    if wait or output is not None:
        state = fetch(client, job_id, output)
        show_coverage(console, state["coverage"], state["warnings"])
    if output is None:
        print(json.dumps(client.query(job_id).status(), indent=2))


def _accepted(client: Client, what: Submission, model: str, memory: Memory | None) -> str:
    """The id of the query: as remembered, or after sending what is not there yet."""
    if memory and memory.query:
        console.print(f"Going on with query {memory.query}, which was submitted before.", highlight=False)
        return memory.query
    attempt = (
        Attempt(memory.key, memory.upload, memory.began_upload, memory.was_accepted)
        if memory
        else Attempt(uuid4().hex)
    )
    try:
        with bars(console) as tell:
            accepted = client.play(queries.submit(what, model, attempt, tell))
    except (QueryRefused, AccessRefused, NotThere) as refused:
        # What another run sent may have been saved before its key was revoked or its model removed.
        if memory and (memory.first or isinstance(refused, QueryRefused)):
            memory.was_refused()
        raise
    _show_rejected(accepted)
    return accepted.query_id


def _show_rejected(accepted: Accepted) -> None:
    if accepted.rejected_rows:
        rows = "1 row was" if accepted.rejected_rows == 1 else f"{accepted.rejected_rows:,} rows were"
        console.print(f"[yellow]note[/] {rows} bad and left out: {accepted.report}", highlight=False)


def _read(source: str, model: str, options: dict[str, Any]) -> Submission:
    if source != "-":
        return read_submission(source, model, options)
    return read_submission(read_json(sys.stdin.read().encode(), "Standard input"), model, options)
