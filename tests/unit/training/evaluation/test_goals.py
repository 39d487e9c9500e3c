"""A figure is judged by its goal, on the side that is better, and as it is kept."""

from __future__ import annotations

import io

from rich.console import Console

from worker.training.evaluation.figures import Figure
from worker.training.evaluation.goals import goal_of, judged
from worker.training.evaluation.report import metrics_of
from worker.training.evaluation.table import figures_table, tally

L2, DELTA = "L2, IFN-gamma and Salmonella, never seen together", "delta r, held-out donor, dexamethasone"


def test_larger_is_better_but_for_errors() -> None:
    assert judged(Figure("P", DELTA, 0.91))["reached"] is True
    assert judged(Figure("P", DELTA, 0.90))["reached"] is False
    assert judged(Figure("P", L2, 14.0)) == {
        "group": "P",
        "name": L2,
        "value": 14.0,
        "goal": "≤ 14.6",
        "reached": True,
    }
    assert judged(Figure("P", L2, 14.7))["reached"] is False


def test_a_figure_is_judged_as_it_is_kept() -> None:
    assert judged(Figure("P", DELTA, 0.90699))["reached"] is True


def test_a_figure_without_a_goal_is_not_judged() -> None:
    assert "reached" not in judged(Figure("P", "anything else", 1.0))


def test_the_pair_that_no_donor_showed_has_no_goal_of_a_single_perturbation() -> None:
    assert goal_of("delta r, held-out donor, the pair of them, never seen together") is None
    assert goal_of("delta r, held-out donor, IFN-gamma") is not None


def test_the_table_shows_groups_numbers_and_verdicts() -> None:
    figures = [Figure("Profiles", "r", 0.9, 0.5, 0.95), Figure("Perturbations", L2, 20.0, baseline=15.0)]
    metrics = metrics_of("gem-1-bulk", 3, figures)
    screen = io.StringIO()
    Console(file=screen, width=120).print(figures_table(metrics["figures"]))
    text = screen.getvalue()
    for said in ("Profiles", "0.95", "≤ 14.6", "missed"):
        assert said in text
    assert tally(metrics["figures"]) == "0 of 1 goals reached, 2 figures."
    assert tally(metrics["figures"][:1]) == "1 figure."
