"""Rows of the benchmark log, as people read them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: what was measured, what came out, and what to hold it against."""

    what: str
    figure: str
    beside: str = ""


def as_markdown(rows: list[Row]) -> str:
    """A Markdown table."""
    lines = ["| what | figure | beside |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {one.what} | {one.figure} | {one.beside} |" for one in rows)])


def judged(goal: str, reached: bool) -> str:
    """A goal, and whether it was reached: what was missed is written down too."""
    return f"{goal}: {'reached' if reached else '**missed**'}"
