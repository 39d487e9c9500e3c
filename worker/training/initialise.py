"""Where training starts: mean profile as bias, singular vectors of the training rows as output layer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from worker.inference.network import PERTURBATION_ID, PERTURBATION_TYPE, ExpressionNetwork
from worker.training.samples import TERM_SEPARATOR

PSEUDO_CPM = 0.05  # added before the logarithm, so that silent genes have a finite rate
# Types of perturbation that do the same to a gene as one that was seen.
ALIKE = {"shrna": ("sirna", "crispr")}
Matrix = NDArray[np.float32]


def mark_compatible(network: ExpressionNetwork, labels: pd.DataFrame) -> None:
    """Note which perturbation terms, and ancestors of theirs, were seen with which type of perturbation."""
    terms, types = (network.vocabulary.field(name) for name in (PERTURBATION_ID, PERTURBATION_TYPE))
    compatible = torch.zeros_like(network.perturbation.compatible)
    for ids, kinds in set(zip(labels[PERTURBATION_ID], labels[PERTURBATION_TYPE], strict=True)):
        if ids:
            named, said = ids.split(TERM_SEPARATOR), kinds.split(TERM_SEPARATOR)
            said = said * len(named) if len(said) == 1 else said  # one type for all of them, or none known
            for term, kind in zip(named, said, strict=True):
                rows = [terms.index[known] for known in terms.closure([term])]
                for same in (kind, *ALIKE.get(kind, ())) if kind else types.terms:
                    compatible[rows, types.index[same]] = 1.0
    network.perturbation.compatible.copy_(compatible)


def start_from_data(
    network: ExpressionNetwork, cpm: Matrix, measured: NDArray[np.bool_], weights: Matrix
) -> None:
    """Set bias, output layer and projection from rows [N, G] with weights [N]; unmeasured is mean.

    The output layer's columns are the right singular vectors of the centred log rates, each scaled so that a
    typical row has a coordinate of about one in it.
    """
    log_rate = np.log(cpm + PSEUDO_CPM)
    present = measured * weights[:, None]
    total = present.sum(axis=0)
    mean = np.where(total > 0, (log_rate * present).sum(axis=0) / np.maximum(total, 1e-6), np.log(PSEUDO_CPM))
    centred = (log_rate - mean) * present
    _, singular, directions = np.linalg.svd(centred, full_matrices=False)
    rank = network.architecture.rank
    known = min(rank, len(singular))
    columns = 0.02 * torch.randn(network.num_genes, rank)
    scaled = directions[:known].T * (singular[:known] / np.sqrt((weights**2).sum()))
    columns[:, :known] = torch.from_numpy(scaled.astype(np.float32))
    with torch.no_grad():
        network.output.weight.copy_(columns)
        network.output.bias.copy_(torch.from_numpy(mean.astype(np.float32)))
        encoder = network.encoder
        encoder.centre.copy_(torch.from_numpy(np.log1p(np.exp(mean)).astype(np.float32)))
        rows = torch.from_numpy(directions[: network.architecture.projection].astype(np.float32))
        encoder.projection.weight[: len(rows)] = rows * (8 / network.num_genes**0.5)
