"""What `genequeue submit --check` prints: that a query is valid, how it is covered, what it will cost."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from cli.coverage import show_coverage

UNITS = ("B", "kB", "MB", "GB", "TB")


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
    parts = "1 part" if estimate["chunks"] == 1 else f"{estimate['chunks']:,} parts"
    stored, json = size(estimate["stored_bytes"]), size(estimate["json_bytes"])
    table.add_row("[bold]size[/]", f"{stored} in {parts}; {json} as JSON")
    table.add_row("[bold]time[/]", f"{_duration(estimate['seconds'])}. {estimate['seconds_note']}")
    if estimate["samples_ahead"]:
        table.add_row("[bold]queue[/]", f"{estimate['samples_ahead']:,} samples wait already")
    return table


def size(count: int) -> str:
    """A number of bytes, as people say it."""
    power = min((len(str(max(count, 1))) - 1) // 3, len(UNITS) - 1)
    number = count / 1000**power
    return f"{number:.0f} {UNITS[power]}" if number >= 10 or power == 0 else f"{number:.1f} {UNITS[power]}"


def _asked(answer: dict[str, Any]) -> str:
    inputs = "1 input" if answer["inputs"] == 1 else f"{answer['inputs']:,} inputs"
    samples = "1 sample" if answer["samples"] == 1 else f"{answer['samples']:,} samples"
    total = answer["total_count"]
    each = f"of {total:,} counts each" if total is not None else "as large as their own counts"
    return f"{inputs}, {samples} {each}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "not known"
    if seconds < 100:
        return f"about {max(seconds, 0.1):.1f} s" if seconds < 10 else f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 6000 else f"about {seconds / 3600:.1f} h"
