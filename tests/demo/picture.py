"""One picture of an answer: samples by marker genes, and the same samples in two dimensions."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

mpl.use("Agg")
COLOURS = ("#c0392b", "#2471a3", "#d68910", "#1e8449")


def log_cpm(counts: pd.DataFrame) -> pd.DataFrame:
    """log1p of counts per million, samples by genes."""
    totals = counts.sum(axis=1).clip(lower=1)
    return pd.DataFrame(
        np.log1p(counts.to_numpy() / totals.to_numpy()[:, None] * 1e6), counts.index, counts.columns
    )


def draw(path: Path, panels: list[tuple[str, pd.DataFrame, pd.Series]], markers: tuple[str, ...]) -> None:
    """Write a PNG with one row of panels for each (title, counts by symbol, condition of each sample)."""
    figure, axes = plt.subplots(
        len(panels), 2, figsize=(13, 4.6 * len(panels)), width_ratios=(1.6, 1), squeeze=False
    )
    for (heat, projection), (title, counts, conditions) in zip(axes, panels, strict=True):
        values = log_cpm(counts)
        image = _heat_map(heat, values[[gene for gene in markers if gene in values]], conditions)
        heat.set_title(title, loc="left", fontweight="bold")
        figure.colorbar(image, ax=heat, label="log1p CPM", shrink=0.8)
        _projection(projection, values, conditions)
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _heat_map(axes: Axes, values: pd.DataFrame, conditions: pd.Series) -> mpl.image.AxesImage:
    image = axes.imshow(values, aspect="auto", cmap="viridis", interpolation="nearest")
    axes.set_xticks(range(values.shape[1]), values.columns, rotation=45, ha="right", style="italic")
    first = [conditions.to_numpy().tolist().index(name) for name in conditions.unique()]
    ends = [*first[1:], len(conditions)]
    axes.set_yticks([(a + b - 1) / 2 for a, b in zip(first, ends, strict=True)], conditions.unique())
    axes.tick_params(length=0)
    for edge in first[1:]:
        axes.axhline(edge - 0.5, color="white", linewidth=2)
    return image


def _projection(axes: Axes, values: pd.DataFrame, conditions: pd.Series) -> None:
    centred = values.to_numpy() - values.to_numpy().mean(axis=0)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    scores, share = left * singular, singular**2 / (singular**2).sum()
    for name, colour in zip(conditions.unique(), COLOURS, strict=False):
        mine = (conditions == name).to_numpy()
        axes.scatter(*scores[mine, :2].T, s=34, color=colour, label=name, alpha=0.8, edgecolor="white")
    axes.set_xlabel(f"principal component 1 ({share[0]:.0%})")
    axes.set_ylabel(f"principal component 2 ({share[1]:.0%})")
    axes.set_title("the same samples, all genes", loc="left")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
