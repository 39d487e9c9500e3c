"""Progress for people: bars on a terminal, one line that changes in a notebook, nothing anywhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from genequeue.client.calls import Stage, Tell, Told, quiet

_BYTES = {Stage.UPLOAD, Stage.DOWNLOAD}
_WHILE_MADE = "making the file"


@contextmanager
def showing(progress: bool) -> Iterator[Tell]:
    """Draws what it is told, where somebody looks."""
    console = Console(stderr=True)
    if not progress:
        yield quiet
    elif Console().is_jupyter:
        yield _Line().tell
    elif console.is_terminal:
        with bars(console) as tell:
            yield tell
    else:
        yield quiet


@contextmanager
def bars(console: Console) -> Iterator[Tell]:
    """A bar for each stage that comes."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[said]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as drawn:
        tasks: dict[Stage, TaskID] = {}

        def tell(told: Told) -> None:
            if told.stage not in tasks:
                tasks[told.stage] = drawn.add_task(str(told.stage), total=None, said="")
            drawn.update(
                tasks[told.stage],
                description=_named(told),
                completed=told.done,
                total=told.total or None,
                said=amount(told),
            )

        yield tell


class _Line:
    """One line of a notebook's output, changed in place."""

    def __init__(self) -> None:
        self._display = import_module("IPython.display")
        self._handle: Any = None

    def tell(self, told: Told) -> None:
        """Write it anew."""
        line = self._display.Pretty(f"{_named(told)}: {amount(told)}")
        if self._handle is None:
            self._handle = self._display.display(line, display_id=True)
        else:
            self._handle.update(line)


def amount(told: Told) -> str:
    """So much of so much."""
    if told.stage in _BYTES:
        done, total = (f"{number / 1e6:,.1f}" for number in (told.done, told.total))
        return f"{done}/{total} MB" if told.total else f"{done} MB"
    return f"{told.done}/{told.total}"


def _named(told: Told) -> str:
    return told.note or (_WHILE_MADE if told.stage is Stage.MAKE else str(told.stage))
