"""How well a model knows what a query asks, as a table on a terminal; nothing where it knows all exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

MOST_ROWS = 20
NO_EFFECT = {
    "unknown": "no effect: the model knows nothing near it",
    "not informative": "no effect: the model learnt nothing from this field",
}


def show_coverage(console: Console, coverage: Sequence[dict[str, Any]], warnings: Sequence[str]) -> None:
    """The values that are not answered exactly as asked, then every warning that is not about one of them."""
    inexact = _inexact(coverage)
    if inexact:
        console.print(_table(inexact[:MOST_ROWS]))
    left_out = len(inexact) - MOST_ROWS + sum(value.get("left_out", 0) for value in coverage[-1:])
    if left_out > 0:
        console.print(f"and {left_out:,} more; `genequeue status` lists them.", highlight=False)
    paths = {value.get("path") for value in coverage}
    for warning in warnings:
        if warning.partition(": ")[0] not in paths:
            console.print(f"[yellow]note[/] {escape(warning)}", highlight=False)


def recall_coverage(console: Console, coverage: Sequence[dict[str, Any]]) -> None:
    """One line about what `show_coverage` has shown before."""
    inexact = len(_inexact(coverage))
    if inexact:
        values = "1 value was" if inexact == 1 else f"{inexact} values were"
        console.print(f"[yellow]note[/] {values} not answered exactly as asked; see above.", highlight=False)


def _inexact(coverage: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [value for value in coverage if value.get("coverage", "exact") != "exact"]


def _table(values: Sequence[dict[str, Any]]) -> Table:
    table = Table("field", "asked", "answered as", box=None, header_style="bold", pad_edge=False)
    table.columns[0].no_wrap = True
    table.columns[1].min_width = table.columns[2].min_width = 16
    table.add_column("inputs", justify="right")
    for value in values:
        style = "yellow" if value["coverage"] == "unknown" else ""
        cells = (value["field"], _named(value["value"], value["label"]), " and ".join(_stands_on(value)))
        table.add_row(*map(escape, cells), f"{value['inputs']:,}", style=style)
    return table


def _stands_on(value: dict[str, Any]) -> Iterator[str]:
    if value["coverage"] != "ancestor":
        yield NO_EFFECT[value["coverage"]]
        return
    steps = "1 step up" if value["distance"] == 1 else f"{value['distance']} steps up"
    for term in value["terms"]:
        yield f"{_named(term['id'], term['label'])}, {steps}"


def _named(term: str, label: str) -> str:
    return f"{term} {label}" if label != term else term
