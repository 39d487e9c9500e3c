"""What the check found, for a person at a terminal. Decides nothing."""

from __future__ import annotations

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.errors import GeneQueueError, InvalidInput
from shared.ontology.terms import Ontologies
from worker.training.lab.check import Checked
from worker.training.lab.columns import Column, Use

SHOWN_TERMS = 5


def print_report(checked: Checked, ontologies: Ontologies, console: Console) -> None:
    """Samples, genes, library sizes, columns with the samples of their terms, and notes."""
    for source in checked.sources:
        file = source.file
        console.print(
            f"[bold]{escape(str(file.path))}[/]: {file.rows:,} samples, {len(file.var_names):,} genes, "
            f"counts in {file.counts}{', with a mask' if file.mask_shape else ''}",
            highlight=False,
            soft_wrap=True,
        )
    dropped = "; ".join(f"{number:,} {why}" for why, number in checked.dropped.items())
    console.print(f"Genes kept: {len(checked.genes):,}. Dropped: {dropped or 'none'}.", highlight=False)
    low, middle, high = np.quantile(checked.reads, (0, 0.5, 1))
    console.print(f"Library sizes: {low:,.0f} to {high:,.0f}, median {middle:,.0f}.", highlight=False)
    table = Table("column", "use", "terms", "samples by term", box=None, header_style="bold")
    for column in checked.columns:
        if column.use is not Use.EMPTY:
            style = "" if column.use.known else "dim"
            table.add_row(
                column.name,
                column.use.value,
                str(len(column.samples)),
                _terms(column, ontologies),
                style=style,
            )
    console.print(table)
    empty = [column.name for column in checked.columns if column.use is Use.EMPTY]
    console.print(f"Not given: {', '.join(empty)}." if empty else "", highlight=False)
    for note in checked.notes:
        console.print(f"[yellow]Note:[/] {escape(note)}", highlight=False, soft_wrap=True)


def complain(error: GeneQueueError) -> None:
    """The error on standard error; every fault of data on a line of its own."""
    console = Console(stderr=True, highlight=False)
    console.print(f"[bold red]Error:[/] {escape(str(error))}", soft_wrap=True)
    for fault in error.faults if isinstance(error, InvalidInput) else ():
        if fault.message == str(error):
            continue
        where = f"[bold]{escape(fault.path)}[/]: " if fault.path else ""
        console.print(f"  {where}{escape(fault.message)}", soft_wrap=True)


def _terms(column: Column, ontologies: Ontologies) -> str:
    shown = [
        f"{escape(ontologies.label(term) or term)} {number:,}"
        for term, number in list(column.samples.items())[:SHOWN_TERMS]
    ]
    more = len(column.samples) - len(shown)
    return ", ".join(shown) + (f", and {more:,} more" if more > 0 else "")
