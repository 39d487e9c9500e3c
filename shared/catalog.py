"""Which models there are: manifest, vocabulary and genes of each model directory, checked by digest.

Reads JSON and CSV only; weights are hashed here and never loaded.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from shared.errors import CheckpointCorrupt, CheckpointMissing, ModelNotFound
from shared.queries.rules import ModelRules
from shared.queries.spec import Modality, SamplingStrategy
from shared.queries.vocabulary import Vocabulary

SCHEMA_VERSION = 1
MANIFEST, VOCABULARY, GENES, WEIGHTS = (
    "manifest.json",
    "vocabulary.json",
    "genes.csv.gz",
    "weights.safetensors",
)


@dataclass(frozen=True, slots=True)
class Gene:
    """One gene of a model, in the order of its counts."""

    ensembl_id: str
    symbol: str
    biotype: str
    length: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What `manifest.json` says of a model. `digests` maps a file's name to its SHA-256 in hex."""

    model_id: str
    version: int
    modality: Modality
    title: str
    description: str
    sampling_strategies: tuple[SamplingStrategy, ...]
    default_total_count: int
    latent_sizes: Mapping[str, int]
    samples_per_chunk: int
    digests: Mapping[str, str]
    architecture: Mapping[str, Any]
    example_query: Mapping[str, Any]
    licence: str

    @property
    def weights_digest(self) -> str:
        """SHA-256 of the weights, in hex."""
        return self.digests[WEIGHTS]


@dataclass(frozen=True)
class Model:
    """One model of the catalog: what it says of itself, what it can place, and its genes."""

    directory: Path
    manifest: Manifest
    vocabulary: Vocabulary
    genes: tuple[Gene, ...]

    @property
    def model_id(self) -> str:
        """The id that clients send."""
        return self.manifest.model_id

    @cached_property
    def rules(self) -> ModelRules:
        """What a query for this model is checked against."""
        manifest = self.manifest
        return ModelRules(
            model_id=manifest.model_id,
            modality=manifest.modality,
            sampling_strategies=manifest.sampling_strategies,
            default_total_count=manifest.default_total_count,
            vocabulary=self.vocabulary,
        )

    @cached_property
    def gene_order(self) -> tuple[str, ...]:
        """Ensembl ids in ascending order: the order of every count vector."""
        return tuple(gene.ensembl_id for gene in self.genes)


@dataclass(frozen=True)
class Catalog:
    """The models that this process can speak of, by id."""

    models: Mapping[str, Model]

    def get(self, model_id: str) -> Model:
        """The model of that id. Raises ModelNotFound, naming the ids there are."""
        try:
            return self.models[model_id]
        except KeyError:
            known = ", ".join(sorted(self.models))
            raise ModelNotFound(f"There is no model {model_id!r}. The models here are: {known}.") from None

    @classmethod
    def open(cls, directory: Path) -> Catalog:
        """Read every model directory below `directory` and check every digest.

        Raises CheckpointMissing and CheckpointCorrupt, naming the file.
        """
        manifests = sorted(directory.glob(f"*/{MANIFEST}"))
        if not manifests:
            raise CheckpointMissing(
                f"No model directory with a {MANIFEST} lies in {directory}. Set GENEQUEUE_MODELS_DIR to the "
                "folder that holds the models."
            )
        models = [open_model(path.parent) for path in manifests]
        return cls({model.model_id: model for model in models})


def open_model(directory: Path) -> Model:
    """Read one model directory and check every digest that its manifest names."""
    manifest = _read_manifest(directory)
    contents = {name: _checked(directory / name, digest) for name, digest in manifest.digests.items()}
    vocabulary = Vocabulary.from_json(orjson.loads(contents[VOCABULARY]))
    return Model(directory, manifest, vocabulary, _read_genes(contents[GENES]))


def _read_manifest(directory: Path) -> Manifest:
    path = directory / MANIFEST
    if not path.is_file():
        raise CheckpointMissing(f"{directory} has no {MANIFEST}: it is not a model directory.")
    try:
        raw = orjson.loads(path.read_bytes())
        if raw.pop("schema_version") != SCHEMA_VERSION:
            raise CheckpointCorrupt(
                f"{path} is of another schema version than {SCHEMA_VERSION}; train the model again."
            )
        raw["modality"] = Modality(raw["modality"])
        raw["sampling_strategies"] = tuple(SamplingStrategy(name) for name in raw["sampling_strategies"])
        manifest = Manifest(**raw)
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointCorrupt(f"{path} is not a valid manifest: {error}.") from error
    missing = {VOCABULARY, GENES, WEIGHTS} - set(manifest.digests)
    if missing:
        raise CheckpointCorrupt(f"{path} names no digest for {', '.join(sorted(missing))}.")
    return manifest


def _checked(path: Path, expected: str) -> bytes:
    if not path.is_file():
        raise CheckpointMissing(f"{path} is missing; fetch the model directory again.")
    content = path.read_bytes()
    actual = hashlib.sha256(content).hexdigest()
    if actual != expected:
        raise CheckpointCorrupt(
            f"{path} does not match its manifest: SHA-256 is {actual}, expected {expected}. "
            "The file was changed or cut short; fetch the model directory again."
        )
    return content


def _read_genes(content: bytes) -> tuple[Gene, ...]:
    rows = csv.DictReader(io.StringIO(gzip.decompress(content).decode()))
    return tuple(Gene(row["ensembl_id"], row["symbol"], row["biotype"], int(row["length"])) for row in rows)
