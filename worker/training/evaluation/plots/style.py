"""How all pictures look: one palette that colour-blind people can read, one type, small files."""

from __future__ import annotations

import io
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

# Okabe and Ito's palette. Real data are always blue, what a model made is always vermilion.
REAL, GENERATED, THIRD, FOURTH = "#0072B2", "#D55E00", "#009E73", "#E69F00"
QUIET, INK = "#8A8A8A", "#222222"
COLOURS = (REAL, GENERATED, THIRD, FOURTH, "#CC79A7", "#56B4E9", "#B8A500", "#000000")
DENSITY = "cividis"

LOOK: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.12,
    "figure.constrained_layout.h_pad": 0.10,
}
DOTS_PER_INCH = 110
PALETTE_SIZE = 256  # colours of a file; a picture of ours has few, and is a third as large for it


def look() -> AbstractContextManager[None]:
    """Everything that is drawn within has our look."""
    context: AbstractContextManager[None] = mpl.rc_context(LOOK)
    return context


def page(columns: int, rows: int = 1, size: tuple[float, float] = (3.7, 3.7)) -> tuple[Figure, list[Axes]]:
    """A figure with panels of this size in inches, and its axes row by row. To be called within `look`."""
    figure = Figure(figsize=(columns * size[0], rows * size[1]))
    return figure, list(figure.subplots(rows, columns, squeeze=False).flat)


def headline(figure: Figure, text: str) -> None:
    """What the whole picture shows."""
    figure.suptitle(text, x=0.01, ha="left", fontsize=11.5, color=INK)


def short(name: str, longest: int = 28) -> str:
    """A name that fits on an axis."""
    return name if len(name) <= longest else f"{name[: longest - 3]}..."


def write(figure: Figure, path: Path) -> None:
    """Save as a PNG of few colours."""
    plain = io.BytesIO()
    figure.savefig(plain, format="png", dpi=DOTS_PER_INCH)
    with Image.open(plain) as image:
        few = image.convert("RGB").quantize(
            PALETTE_SIZE, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    few.save(path, format="PNG", optimize=True)
