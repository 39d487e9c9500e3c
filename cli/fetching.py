"""Waiting for a query on a terminal, and writing its result: a folder of parts, or one file in some form."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from cli.amounts import counted, size
from genequeue.client import Client, folders, queries, results
from genequeue.client.formats import form_of
from genequeue.client.progress import bars

console = Console(stderr=True)


def folder_in(output: str | None) -> Path | None:
    """The folder that an output means; None where it means a file. Raises InvalidInput for neither."""
    if output is None:
        return None
    path = Path(output)
    if output.endswith("/") or path.is_dir() or not path.suffix:
        return path
    form_of(path)
    return None


def fetch(client: Client, query_id: str, output: str | None) -> dict[str, Any]:
    """Wait for a query, drawing its progress, and write its result; its last state. Raises GeneQueueError."""
    if (folder := folder_in(output)) is not None:
        with _interruptible(query_id), bars(console) as tell:
            state = client.play(folders.gather(query_id, folder, tell))
        done, total = state["progress"]["samples_done"], state["progress"]["samples_total"]
        files = list(folder.glob("part-*.parquet"))
        written = sum(path.stat().st_size for path in files)
        console.print(
            f"{done} of {total} samples in {folder}/, {counted(len(files), 'part')}, {size(written)}"
        )
        return state
    with _interruptible(query_id), bars(console) as tell:
        state = client.play(queries.wait(query_id, tell))
        if output is not None:
            path = Path(output)
            client.play(results.fetch(query_id, form_of(path), path, results.ALL, tell))
    if output is not None:
        console.print(f"{state['progress']['samples_done']} samples in {path} ({size(path.stat().st_size)})")
    return state


@contextmanager
def _interruptible(query_id: str) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        console.print(f"The query goes on without you. See how it stands: genequeue status {query_id}")
        raise typer.Exit(130) from None
