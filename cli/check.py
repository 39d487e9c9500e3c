"""What `genequeue submit --check` prints: that a query is valid, how it is covered, what it will cost."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from cli.amounts import counted, size
from cli.coverage import show_coverage


def show_check(console: Console, answer: dict[str, Any]) -> None:
    """The answer of the validate route."""
    console.print(
        f"[green]valid[/] for {answer['model_id']}, version {answer['model_version']}: {_asked(answer)}",
        highlight=False,
        soft_wrap=True,
    )
    show_coverage(console, answer["coverage"], answer["warnings"])
    if answer["coverage"] and all(value.get("coverage") == "exact" for value in answer["coverage"]):
        console.print("The model knows every value of it exactly.")
    console.print(_cost(answer["estimate"]))


def _cost(estimate: dict[str, Any]) -> Table:
    table = Table.grid(padding=(0, 2))
    parts = counted(estimate["chunks"], "part")
    stored, json = size(estimate["stored_bytes"]), size(estimate["json_bytes"])
    table.add_row("[bold]size[/]", f"{stored} in {parts}; {json} as JSON")
    table.add_row("[bold]time[/]", f"{_duration(estimate['seconds'])}. {estimate['seconds_note']}")
    if estimate["samples_ahead"]:
        table.add_row("[bold]queue[/]", f"{estimate['samples_ahead']:,} samples wait already")
    return table


def _asked(answer: dict[str, Any]) -> str:
    inputs, samples = counted(answer["inputs"], "input"), counted(answer["samples"], "sample")
    total = answer["total_count"]
    each = f"of {total:,} counts each" if total is not None else "as large as their own counts"
    return f"{inputs}, {samples} {each}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "not known"
    if seconds < 100:
        return f"about {max(seconds, 0.1):.1f} s" if seconds < 10 else f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 6000 else f"about {seconds / 3600:.1f} h"
