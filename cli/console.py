"""What the command says to a person: colours on a terminal, plain lines anywhere else."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape


def say(text: str, style: str = "") -> None:
    """One line on standard output."""
    Console(highlight=False).print(escape(text), style=style or None, soft_wrap=True)


def complain(text: str) -> None:
    """One line on standard error."""
    Console(stderr=True, highlight=False).print(f"[bold red]Error:[/] {escape(text)}", soft_wrap=True)
