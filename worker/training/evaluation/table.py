"""The figures of a model as a table for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

COLUMNS = ("model", "baseline", "ceiling", "goal")


def figures_table(figures: Sequence[Mapping[str, Any]]) -> Table:
    """A row for each figure, a section for each group; what is missed stands out."""
    table = Table("figure", box=None, header_style="bold", pad_edge=False)
    for name in COLUMNS:
        table.add_column(name, justify="right")
    table.add_column("")
    group = ""
    for figure in figures:
        if figure["group"] != group:
            group = figure["group"]
            table.add_section()
            table.add_row(f"[bold]{escape(group)}[/]")
        table.add_row(f"  {escape(figure['name'])}", *_numbers(figure), _verdict(figure))
    return table


def _numbers(figure: Mapping[str, Any]) -> list[str]:
    numbers = [f"{figure[name]:g}" if name in figure else "" for name in ("value", "baseline", "ceiling")]
    return [*numbers, str(figure.get("goal", ""))]


def _verdict(figure: Mapping[str, Any]) -> str:
    if "reached" not in figure:
        return ""
    return "[green]reached[/]" if figure["reached"] else "[bold red]missed[/]"


def tally(figures: Sequence[Mapping[str, Any]]) -> str:
    """How many figures and goals there are, and how many goals were reached."""
    with_goal = [figure for figure in figures if "reached" in figure]
    if not with_goal:
        return "1 figure." if len(figures) == 1 else f"{len(figures)} figures."
    reached = sum(bool(figure["reached"]) for figure in with_goal)
    return f"{reached} of {len(with_goal)} goals reached, {len(figures)} figures."
