"""Do samples of one condition differ as real replicates do."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from worker.training.evaluation.figures import COUNT_BINS, Figure, correlation, variation_by_count
from worker.training.evaluation.subject import Subject

GROUP = "Spread"
REPLICATES = (
    ("airway smooth muscle, 4 donors", "airway", ""),
    ("macrophages, 6 donors", "macrophage", ""),
    ("lymphoblastoid lines, 40 women", "pickrell", "female"),
)
CELLS, CELL_COUNTS = 60, 10_000


def spread_figures(subject: Subject) -> Iterator[Figure]:
    """Coefficient of variation beyond Poisson by count bin, generated against real."""
    labels = subject.data.labels
    for name, source, sex in REPLICATES:
        chosen = (labels["source"] == source) & (labels["perturbation_ontology_id"] == "")
        rows = np.flatnonzero(chosen & ((labels["sex"] == sex) | (sex == "")))
        depth = subject.data.depth[rows]
        real = variation_by_count(subject.cpm[rows] / 1e6 * depth[:, None])
        made = subject.predictor.samples(
            subject.query(int(rows[0])), len(rows), float(depth.mean()), noise=True
        )
        for (low, high), own, ceiling in zip(COUNT_BINS, variation_by_count(made), real, strict=True):
            yield Figure(GROUP, f"CV at {low:,} to {high:,} counts, {name}", own, ceiling=ceiling)


def cell_figures(subject: Subject) -> Iterator[Figure]:
    """Zeros among a B cell's rounded counts, and how alike two B cells are."""
    cells = np.rint(
        subject.predictor.samples({"cell_type_ontology_id": ("CL:0000236",)}, CELLS, CELL_COUNTS, noise=False)
    )
    yield Figure(GROUP, f"share of zeros, B cells of {CELL_COUNTS:,} counts", float((cells == 0).mean()))
    pairs = [correlation(a, b) for a, b in zip(np.log1p(cells[:-1]), np.log1p(cells[1:]), strict=True)]
    yield Figure(
        GROUP, "r between two B cells", float(np.mean(pairs)), note="no real single cells to compare with"
    )
