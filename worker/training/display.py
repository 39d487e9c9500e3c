"""What a person sees while a network trains: a bar in a terminal, a line now and then in a log."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LINES = 10  # in a log, over the whole training


class TrainingDisplay:
    """Step, loss and time left; a context manager."""

    def __init__(self, console: Console, steps: int, done: int = 0) -> None:
        self._console, self._steps, self._done = console, steps, done
        self._start = time.monotonic()
        self._bar = Progress(
            MofNCompleteColumn(),
            BarColumn(),
            TextColumn("loss {task.fields[loss]:.0f}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=steps, completed=done, loss=float("nan"))

    def __enter__(self) -> TrainingDisplay:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def advance(self, step: int, loss: float) -> None:
        """Show that `step` steps are done, and the smoothed loss."""
        self._bar.update(self._task, completed=step, loss=loss)
        if not self._console.is_terminal and step % max(1, self._steps // LINES) == 0:
            left = (time.monotonic() - self._start) / (step - self._done) * (self._steps - step)
            self._console.print(f"step {step} of {self._steps}, loss {loss:.0f}, {left:.0f} s left")
