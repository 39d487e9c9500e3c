"""The progress of training, where nobody watches a bar."""

from __future__ import annotations

import io

from rich.console import Console

from worker.training.display import LINES, TrainingDisplay


def test_a_log_gets_a_few_lines_with_step_loss_and_time_left() -> None:
    log = io.StringIO()
    with TrainingDisplay(Console(file=log, width=100), steps=200) as display:
        for step in range(1, 201):
            display.advance(step, 1234.5)
    lines = [line for line in log.getvalue().splitlines() if line.strip()]
    assert len(lines) == LINES
    assert lines[-1] == "step 200 of 200, loss 1234, 0 s left"
