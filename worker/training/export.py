"""A trained network cut down to what one model may claim: its genes, fields and terms."""

from __future__ import annotations

import torch
from torch import Tensor

from shared.queries.fields import FIELD_BY_NAME, LatentGroup
from shared.queries.vocabulary import Vocabulary
from worker.inference.encoder import classes_of
from worker.inference.network import PERTURBATION_ID, PERTURBATION_TYPE, ExpressionNetwork


def cut_down(network: ExpressionNetwork, vocabulary: Vocabulary, genes: Tensor) -> ExpressionNetwork:
    """The same network for `genes` (positions, ascending) and the terms of `vocabulary` only.

    A field that is left out counts as missing for ever after. Every term must be one of the network's, with
    the same closure.
    """
    small = ExpressionNetwork(vocabulary, len(genes), network.architecture)
    kept = network.state_dict()
    for name, parameter in list(kept.items()):
        kept[name] = _rows_of_terms(name, parameter, network, vocabulary)
    for name in ("output.weight", "output.bias", "gene_log_variance", "ceiling", "encoder.centre"):
        kept[name] = kept[name].index_select(0, genes)
    by_column = ("gene_effects.", "loadings", "encoder.projection")
    for name in [name for name in kept if name.startswith(by_column)]:
        kept[name] = kept[name].index_select(1, genes)
    for group in (LatentGroup.BIOLOGICAL, LatentGroup.TECHNICAL):
        kept[f"{group.value}.origin"] = kept[f"{group.value}.origin"] + _always_missing(
            network, vocabulary, group
        )
    wanted = small.state_dict()
    small.load_state_dict({name: kept[name] for name in wanted})
    return small.eval()


def _always_missing(network: ExpressionNetwork, vocabulary: Vocabulary, group: LatentGroup) -> Tensor:
    """What the fields of a group that are left out add to its embedding, being missing."""
    total = torch.zeros(network.architecture.embedding)
    for name, embedding in network.embeddings.items():
        if FIELD_BY_NAME[name].group is group and not vocabulary.field(name).informative:
            total += embedding.detach()[-1]
    return total


def _rows_of_terms(
    name: str, parameter: Tensor, network: ExpressionNetwork, vocabulary: Vocabulary
) -> Tensor:
    """Only the rows (and columns) of a per-term parameter whose terms are kept, in their new order."""
    kind, _, field = name.partition(".")
    if kind == "heads":
        return parameter[_classes(network, vocabulary, field.split(".")[1])]
    if name.startswith(("relatives.effects.", "relatives.sampled.")):
        return parameter[_positions(network, vocabulary, name.rpartition(".")[2])]
    if kind in ("embeddings", "gene_effects", "noise_offsets"):
        rows = _positions(network, vocabulary, field)
        if kind == "embeddings":
            rows = [*rows, len(network.vocabulary.field(field).terms)]  # the row for "missing"
        return parameter[rows]
    if name == "perturbation.effects":
        return parameter[_positions(network, vocabulary, PERTURBATION_ID)]
    if name == "perturbation.compatible":
        rows = _positions(network, vocabulary, PERTURBATION_ID)
        return parameter[rows][:, _positions(network, vocabulary, PERTURBATION_TYPE)]
    return parameter


def _classes(network: ExpressionNetwork, vocabulary: Vocabulary, field: str) -> list[int]:
    """Where the classes of a head that are kept stand; none for a field that is left out."""
    known = network.heads.classes[field]
    return [known.index(value) for value in classes_of(vocabulary.field(field))]


def _positions(network: ExpressionNetwork, vocabulary: Vocabulary, field: str) -> list[int]:
    return [network.vocabulary.field(field).index[term] for term in vocabulary.field(field).terms]
