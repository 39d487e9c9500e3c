"""What is fitted once a user's network is trained, on the samples that memory holds: spread, encoder."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from worker.inference.network import ExpressionNetwork
from worker.training.calibrate import HEADROOM, calibrate
from worker.training.covariance import SMALLEST_COUNT, replicate_groups
from worker.training.dataset import Dataset
from worker.training.export import cut_down
from worker.training.initialise import PSEUDO_CPM
from worker.training.recognition import RecognitionPlan, fit_recognition
from worker.training.vocabulary import without_private_studies

FEWEST_GENES = 50  # with reads enough, in conditions on which the spread of replicates is fitted
ENCODER_STEPS = 300


def finish(network: ExpressionNetwork, data: Dataset, seed: int) -> ExpressionNetwork:
    """The network as it is served; `data` are the user's samples, or a fair part of them."""
    replicated = _replicated(data)
    if len(replicated):
        calibrate(network, _part(data, replicated))
    _set_ceiling(network, data)
    public = without_private_studies(network.vocabulary)
    if public != network.vocabulary:
        network = cut_down(network, public, torch.arange(network.num_genes))
    plan = RecognitionPlan(float(np.median(data.depth)), steps=ENCODER_STEPS, seed=seed)
    fit_recognition(network, _all_counted(data), np.arange(network.num_genes), plan)
    return network.eval().half().float()  # what fp16 on disk leaves of it


def _replicated(data: Dataset) -> NDArray[np.int64]:
    """Samples of conditions with replicates, and with reads enough to see how far these lie apart."""
    groups = []
    for rows in replicate_groups(data, ~data.held_out):
        reads = data.cpm[rows].mean(axis=0) * data.depth[rows].mean() / 1e6
        if (reads > SMALLEST_COUNT).sum() >= FEWEST_GENES:
            groups.append(rows)
    return np.sort(np.concatenate(groups)) if groups else np.empty(0, np.int64)


def _set_ceiling(network: ExpressionNetwork, data: Dataset) -> None:
    """From all samples, not only from those that have replicates."""
    training = ~data.held_out
    highest = np.where(data.measured[training], data.cpm[training], 0.0).max(axis=0)
    with torch.no_grad():
        network.ceiling.copy_(torch.from_numpy(np.log(highest + PSEUDO_CPM).astype(np.float32)) + HEADROOM)


def _part(data: Dataset, rows: NDArray[np.int64]) -> Dataset:
    return Dataset(data.table[rows].copy(), data.depth[rows], data.held_out[rows])


def _all_counted(data: Dataset) -> Dataset:
    """A laboratory counts the same genes in all its samples, so the encoder need not learn to miss any."""
    table = data.table.copy()
    table.var["biotype"] = "protein_coding"
    return Dataset(table, data.depth, data.held_out)
