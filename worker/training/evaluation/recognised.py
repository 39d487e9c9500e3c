"""What a model takes real samples for: the probability of each class of a field, beside the true labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from worker.training.evaluation.figures import Matrix
from worker.training.evaluation.predictor import Predictor


@dataclass(frozen=True, slots=True)
class Recognised:
    """One field of some samples: true values, classes of the model, and probabilities [samples, classes]."""

    field: str
    truth: tuple[str, ...]
    classes: tuple[str, ...]
    probabilities: Matrix

    @property
    def guesses(self) -> tuple[str, ...]:
        """The most probable class of each sample."""
        return tuple(self.classes[place] for place in self.probabilities.argmax(axis=1))

    @property
    def right(self) -> int:
        """How many samples are taken for what they are."""
        return sum(guess == truth for guess, truth in zip(self.guesses, self.truth, strict=True))

    @property
    def commonest(self) -> float:
        """Share of the commonest true value: what a guess without a look reaches."""
        _, numbers = np.unique(self.truth, return_counts=True)
        return float(numbers.max() / len(self.truth))


def recognised(predictor: Predictor, counts: Matrix, field: str, truth: Sequence[str]) -> Recognised:
    """Ask for one field of samples [N, G]."""
    probabilities = predictor.probabilities(counts)[field]
    return Recognised(field, tuple(truth), predictor.network.heads.classes[field], probabilities)
