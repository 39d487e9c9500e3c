"""What the starter models are to reach: figures of an earlier prototype, and baselines to be beaten."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from worker.training.evaluation.figures import Figure


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound for every figure whose name begins so."""

    prefix: str
    bound: float
    at_most: bool = False

    def reached_by(self, value: float) -> bool:
        """Whether a value, to four digits as it is kept, lies on the right side."""
        kept = float(f"{value:.4g}")
        return kept <= self.bound if self.at_most else kept >= self.bound

    def __str__(self) -> str:
        return f"{'≤' if self.at_most else '≥'} {self.bound:g}"


GOALS = (
    Goal("r, tissues", 0.999),
    Goal("LFC r, tissues", 0.993),
    Goal("r, cell types", 0.998),
    Goal("LFC r, cell types", 0.99),
    Goal("r, cancers", 0.999),
    Goal("LFC r, cancers", 0.992),
    Goal("markers highest in their own, tissues", 12),
    Goal("markers highest in their own, cell types", 11),
    Goal("ALB in liver", 10),
    Goal("MYH7 in heart", 10),
    Goal("MYH7 in myocardium", 10),
    Goal("INS in pancreas", 10),
    Goal("MS4A1 in B cells", 10),
    Goal("mean change of all other genes", 0.05, at_most=True),
    Goal("delta r, held-out donor, dexamethasone", 0.907),
    Goal("delta r, held-out donor, IFN-gamma", 0.845),
    Goal("delta r, held-out donor, Salmonella", 0.785),
    Goal("L2, IFN-gamma and Salmonella", 14.6, at_most=True),
    Goal("largest change by an untrained kind of perturbation", 0.0, at_most=True),
    Goal("agreement of gene-gene correlations", 0.55),
    Goal("real or generated, AUC", 0.65, at_most=True),
    Goal("right, tissue of 25 GTEx tissues", 20),
    Goal("r, 16 tissues left out", 0.92),
    Goal("LFC r, 16 tissues left out", 0.547),
    Goal("RMSE, 16 tissues left out", 0.651, at_most=True),
    Goal("share of zeros, B cells of 10,000 counts", 0.3),
)


def goal_of(name: str) -> Goal | None:
    """The goal of a figure, if it has one: the first whose prefix fits."""
    return next((goal for goal in GOALS if name.startswith(goal.prefix)), None)


def judged(figure: Figure) -> Mapping[str, object]:
    """A figure as `metrics.json` keeps it, with its goal and whether it was reached."""
    goal = goal_of(figure.name)
    if goal is None:
        return figure.to_json()
    return {**figure.to_json(), "goal": str(goal), "reached": goal.reached_by(figure.value)}
