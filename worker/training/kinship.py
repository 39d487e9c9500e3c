"""Ridge regression of coordinates in the output layer on ontology terms, for terms that no sample carries.

A term counts by how rare it is (the logarithm of its inverse frequency), and brings its ancestors along.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worker.inference.network import ExpressionNetwork
from worker.inference.relatives import DECIDING_FIELDS, RELATED_FIELDS
from worker.training.conditions import Condition, labels_of
from worker.training.dataset import Dataset

Matrix = NDArray[np.float64]
PENALTY = 30.0
FEWEST_PROFILES = 10  # of a source; a few tissues of another one would bring its style along as biology
FLOOR = 0.1  # of the weight of a term that every sample has
CORRECTION_STEPS, CORRECTION_RATE = 100, 0.02


def fit_relatives(network: ExpressionNetwork, data: Dataset) -> None:
    """Set what the terms of a trained network predict for relatives of theirs, from published profiles."""
    rows = _profiles(data)
    related, fields = network.relatives, [f for f in RELATED_FIELDS if f in network.relatives.effects]
    labels = [labels_of(row) for _, row in data.labels.iloc[rows].iterrows()]
    conditions = [{name: label[name] for name in fields if name in label} for label in labels]
    if len(conditions) < FEWEST_PROFILES:
        return
    tokens = network.tokens(conditions)
    parts = [tokens.membership[:, network.field_slices[name]][:, :-1].double().numpy() for name in fields]
    features = np.concatenate(parts, axis=1)
    with torch.no_grad():
        coordinates = network.factors(network.priors(tokens).mean).double().numpy()
    effects, origin = ridge(features, coordinates, PENALTY)
    left_out = torch.from_numpy(predicted_without_itself(features, coordinates, PENALTY)).float()
    stops = np.cumsum([part.shape[1] for part in parts])
    related.share.fill_(1.0)
    for name, share in zip(fields, np.split(effects, stops[:-1]), strict=True):
        decided = np.array([_deciding(label) == name for label in labels])
        correction = _correction(network, data, rows[decided], left_out[torch.from_numpy(decided)])
        related.effects[name].copy_(torch.from_numpy(share.astype(np.float32)))
        related.origin[name].copy_(torch.from_numpy(origin.astype(np.float32)) + correction)
        related.sampled[name].copy_(_sampled(network, data, name))


def ridge(features: Matrix, targets: Matrix, penalty: float) -> tuple[Matrix, Matrix]:
    """Effects [T, R] and origin [R] of terms: targets [N, R] on features [N, T], by their kernel."""
    weighted = features * np.sqrt(rarity(features))
    origin = targets.mean(axis=0)
    kernel = weighted @ weighted.T + penalty * np.eye(len(features))
    effects: Matrix = (features * rarity(features)).T @ np.linalg.solve(kernel, targets - origin)
    return effects, origin


def predicted_without_itself(features: Matrix, targets: Matrix, penalty: float) -> Matrix:
    """[N, R]: what the ridge says of each sample without having seen it, by its hat matrix."""
    weighted = features * np.sqrt(rarity(features))
    kernel, origin = weighted @ weighted.T, targets.mean(axis=0)
    hat = kernel @ np.linalg.inv(kernel + penalty * np.eye(len(features)))
    own = np.diag(hat)[:, None]
    predicted: Matrix = origin + (hat @ (targets - origin) - own * (targets - origin)) / (1 - own)
    return predicted


def rarity(features: Matrix) -> Matrix:
    """[T]: log((N + 1) / number of samples with the term), and a little."""
    weight: Matrix = np.log((len(features) + 1) / np.maximum(features.sum(axis=0), 1.0)) + FLOOR
    return weight


def _profiles(data: Dataset) -> NDArray[np.int64]:
    """Training profiles of sources that have enough of them."""
    sources, known = data.labels["source"], ~data.held_out & data.is_profile
    number = sources.map(sources[known].value_counts()).fillna(0).to_numpy()
    return np.flatnonzero(known & (number >= FEWEST_PROFILES))


def _correction(
    network: ExpressionNetwork, data: Dataset, rows: NDArray[np.int64], left_out: Tensor
) -> Tensor:
    """[rank]: what predictions [N, rank] of samples that were left out lack in common, by log1p CPM.

    A mean of log rates flattens the peaks, and what these lose all other genes are given; peaks are put back.
    """
    correction = torch.zeros(network.architecture.rank, requires_grad=True)
    genes = torch.from_numpy(np.flatnonzero(data.measured[rows].all(axis=0)))
    if len(rows) < FEWEST_PROFILES:
        return correction.detach()
    cpm = torch.from_numpy(data.cpm[rows])[:, genes]
    truth = torch.log1p(cpm / cpm.sum(1, keepdim=True) * 1e6)
    weight, bias = network.output.weight.detach()[genes], network.output.bias.detach()[genes]
    optimiser = torch.optim.Adam([correction], lr=CORRECTION_RATE)
    for _ in range(CORRECTION_STEPS):
        share = torch.softmax((left_out + correction) @ weight.T + bias, 1)
        optimiser.zero_grad()
        torch.autograd.backward((torch.log1p(share * 1e6) - truth).square().mean())
        optimiser.step()
    return correction.detach()


def _deciding(labels: Mapping[str, Sequence[str]]) -> str:
    """The first deciding field that is set; none of them, "" ."""
    return next((name for name in DECIDING_FIELDS if name in labels), "")


def _sampled(network: ExpressionNetwork, data: Dataset, name: str) -> Tensor:
    """[terms]: 1 for the terms of training samples of which the field is the first deciding one."""
    index = network.vocabulary.field(name).index
    sampled = torch.zeros(len(index))
    labels: list[Condition] = [labels_of(row) for _, row in data.labels[~data.held_out].iterrows()]
    for each in labels:
        if _deciding(each) == name:
            sampled[[index[term] for term in each[name]]] = 1.0
    return sampled
