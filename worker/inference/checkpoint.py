"""A network on disk: fp16 safetensors beside manifest, vocabulary and genes, as `shared.catalog` reads them.

Digests are written here and checked by the catalog; what the network computes is not known here.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from shared.catalog import EXAMPLE_COUNTS, GENES, MANIFEST, SCHEMA_VERSION, VOCABULARY, WEIGHTS, Gene, Model
from shared.errors import CheckpointCorrupt
from shared.queries.requests import RequestType
from worker.inference.network import Architecture, ExpressionNetwork

CARD, METRICS = "README.md", "metrics.json"
READABLE = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE


@dataclass(frozen=True, slots=True)
class ModelSheet:
    """What a manifest says beyond what follows from the network itself."""

    model_id: str
    version: int
    modality: str
    title: str
    description: str
    sampling_strategies: tuple[str, ...]
    default_total_count: int
    samples_per_chunk: int
    example_query: Mapping[str, Any]
    licence: str
    request_types: tuple[str, ...] = tuple(RequestType)


def load_network(model: Model, device: torch.device) -> ExpressionNetwork:
    """The network of a catalogued model, in float32 on `device`, ready to serve.

    Raises CheckpointCorrupt, naming file and tensor, where weights and manifest do not fit each other.
    """
    path = model.directory / WEIGHTS
    try:
        architecture = Architecture.from_manifest(model.manifest.architecture)
    except TypeError as error:
        raise CheckpointCorrupt(
            f"{model.directory / MANIFEST}: architecture is not valid: {error}."
        ) from error
    network = ExpressionNetwork(model.vocabulary, len(model.genes), architecture)
    try:
        stored = load_file(path)
    except SafetensorError as error:
        raise CheckpointCorrupt(f"{path} is not a safetensors file: {error}.") from error
    _check_shapes(path, network.state_dict(), stored)
    network.load_state_dict({name: tensor.float() for name, tensor in stored.items()})
    return network.requires_grad_(False).eval().to(device)


def save_checkpoint(
    directory: Path,
    network: ExpressionNetwork,
    genes: Sequence[Gene],
    sheet: ModelSheet,
    metrics: Mapping[str, Any],
    card: str,
) -> None:
    """Write a model directory in one move: a reader finds the old one or the new one, never a mixture.

    Equal networks give equal bytes. Genes must be in ascending order of their Ensembl ids.
    """
    contents = {
        VOCABULARY: orjson.dumps(network.vocabulary.to_json(), option=READABLE),
        GENES: _encode_genes(genes),
        EXAMPLE_COUNTS: gzip.compress(orjson.dumps(_example_counts(network, sheet)), mtime=0),
        WEIGHTS: save({name: tensor.half().contiguous() for name, tensor in network.state_dict().items()}),
        METRICS: orjson.dumps(metrics, option=READABLE | orjson.OPT_SORT_KEYS),
        CARD: card.encode(),
    }
    contents[MANIFEST] = orjson.dumps(_manifest(network, sheet, contents), option=READABLE)
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{directory.name}-", dir=directory.parent) as scratch:
        fresh, old = Path(scratch, "new"), Path(scratch, "old")
        fresh.mkdir()
        for name, content in contents.items():
            (fresh / name).write_bytes(content)
        _swap(fresh, directory, old)


def _check_shapes(path: Path, expected: Mapping[str, Tensor], stored: Mapping[str, Tensor]) -> None:
    for name in sorted(expected.keys() | stored.keys()):
        wanted = tuple(expected[name].shape) if name in expected else "nothing"
        found = tuple(stored[name].shape) if name in stored else "nothing"
        if wanted != found:
            raise CheckpointCorrupt(
                f"{path}: tensor {name!r} is {found}, expected {wanted}. "
                "Weights and manifest are of different models; fetch the model directory again."
            )


def _manifest(network: ExpressionNetwork, sheet: ModelSheet, contents: Mapping[str, bytes]) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "model_id": sheet.model_id,
        "version": sheet.version,
        "modality": sheet.modality,
        "title": sheet.title,
        "description": sheet.description,
        "sampling_strategies": list(sheet.sampling_strategies),
        "default_total_count": sheet.default_total_count,
        "latent_sizes": network.architecture.latent_sizes,
        "samples_per_chunk": sheet.samples_per_chunk,
        "digests": {
            name: hashlib.sha256(contents[name]).hexdigest()
            for name in (VOCABULARY, GENES, WEIGHTS, EXAMPLE_COUNTS)
        },
        "architecture": network.architecture.to_manifest(),
        "example_query": sheet.example_query,
        "licence": sheet.licence,
        "request_types": list(sheet.request_types),
    }


@torch.no_grad()
def _example_counts(network: ExpressionNetwork, sheet: ModelSheet) -> list[int]:
    """The mean estimate of the first condition of the example query, as far as its values are known: [G]."""
    inputs = sheet.example_query["inputs"]
    metadata: Mapping[str, str] = inputs[0]["metadata"] if inputs else {}
    known = {
        name: (value,) for name, value in metadata.items() if value in network.vocabulary.field(name).terms
    }
    condition = network.condition(network.tokens([known]).to(network.output.bias.device))
    rates = network.decode(condition.latent_mean, condition.factor_shift) + condition.gene_effect
    expected = sheet.default_total_count * torch.softmax(rates[0].double(), 0)
    counts: list[int] = expected.round().long().tolist()
    return counts


def _encode_genes(genes: Sequence[Gene]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["ensembl_id", "symbol", "biotype", "length"])
    writer.writerows([gene.ensembl_id, gene.symbol, gene.biotype, gene.length] for gene in genes)
    return gzip.compress(text.getvalue().encode(), mtime=0)


def _swap(fresh: Path, target: Path, old: Path) -> None:
    """Put `fresh` in the place of `target`; a directory cannot be renamed over a full one, so two moves."""
    shutil.copymode(target.parent, fresh)
    if target.exists():
        target.replace(old)
    fresh.replace(target)
