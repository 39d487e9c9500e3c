"""What real samples are taken for: true labels against the probabilities of the model's classes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from worker.training.evaluation.plots.style import DENSITY, GENERATED, headline, page, short
from worker.training.evaluation.recognised import Recognised

MOST_ROWS, MOST_COLUMNS = 40, 45
INCHES_OF_A_CELL = 0.235


def recognition_plot(found: Recognised, labels: Mapping[str, str], what: str) -> Figure:
    """Rows of true values (samples of one value averaged), columns of the classes that matter among them."""
    truths = sorted(set(found.truth), key=found.truth.index)[:MOST_ROWS]
    rows = np.array(
        [
            found.probabilities[[place for place, each in enumerate(found.truth) if each == truth]].mean(
                axis=0
            )
            for truth in truths
        ]
    )
    others = [found.classes[place] for place in np.argsort(-rows.max(axis=0))]
    guessed = set(found.guesses)
    columns = [*truths, *(name for name in others if name in guessed and name not in truths)][:MOST_COLUMNS]
    columns = [name for name in columns if name in found.classes]
    shown = rows[:, [found.classes.index(name) for name in columns]]
    size = (max(5.0, INCHES_OF_A_CELL * len(columns) + 3.0), max(3.6, INCHES_OF_A_CELL * len(truths) + 2.6))
    figure, (axes,) = page(1, size=size)
    image = draw_recognition(axes, shown, truths, columns, labels)
    figure.colorbar(image, ax=axes, label="probability", shrink=0.6, pad=0.02)
    headline(figure, f"{found.right} of {len(found.truth)} {what} are recognised")
    return figure


def draw_recognition(
    axes: Axes, shown: np.ndarray, truths: list[str], columns: list[str], labels: Mapping[str, str]
) -> AxesImage:
    """Probabilities [true values, classes], with a frame where the class is the true value."""
    image = axes.imshow(shown, cmap=DENSITY, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    axes.set_yticks(range(len(truths)), [short(labels.get(name, name)) for name in truths])
    axes.set_xticks(
        range(len(columns)), [short(labels.get(name, name)) for name in columns], rotation=55, ha="right"
    )
    axes.set(xlabel="taken for", ylabel="is")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for row, truth in enumerate(truths):
        if truth in columns:
            corner = (columns.index(truth) - 0.5, row - 0.5)
            axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=GENERATED, linewidth=1.4))
    return image
