"""One model: its manifest, its genes, and the ways in which it can be asked. Knows no files."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from shared.queries.forms import FORMS
from shared.queries.requests import RequestType
from shared.queries.rules import ModelRules
from shared.queries.spec import Modality, SamplingStrategy
from shared.queries.vocabulary import Vocabulary

SCHEMA_VERSION = 2
MANIFEST, VOCABULARY, GENES, WEIGHTS, EXAMPLE_COUNTS = (
    "manifest.json",
    "vocabulary.json",
    "genes.csv.gz",
    "weights.safetensors",
    "example_counts.json.gz",
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
    request_types: tuple[RequestType, ...]

    @property
    def weights_digest(self) -> str:
        """SHA-256 of the weights, in hex."""
        return self.digests[WEIGHTS]


@dataclass(frozen=True)
class Model:
    """One model of the catalog: what it says of itself, what it can place, and its genes.

    `example_counts` are a sample of the first condition of its example query, in the order of the genes.
    """

    directory: Path
    manifest: Manifest
    vocabulary: Vocabulary
    genes: tuple[Gene, ...]
    example_counts: tuple[int, ...]
    added_at: datetime | None = None  # None for a starter, which lies in the models folder

    @property
    def model_id(self) -> str:
        """The id that clients send."""
        return self.manifest.model_id

    @property
    def version(self) -> int:
        """Its version; the newest of an id is the default."""
        return self.manifest.version

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
            num_genes=len(self.genes),
        )

    @cached_property
    def gene_order(self) -> tuple[str, ...]:
        """Ensembl ids in ascending order: the order of every count vector."""
        return tuple(gene.ensembl_id for gene in self.genes)

    @property
    def genes_csv(self) -> bytes:
        """The genes as those who download a result get them: a line for each, in the order of the counts."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("ensembl_id", "symbol", "biotype", "length"))
        writer.writerows((gene.ensembl_id, gene.symbol, gene.biotype, gene.length) for gene in self.genes)
        return text.getvalue().encode()

    @cached_property
    def genes_csv_digest(self) -> str:
        """SHA-256 of that table, in hex: the manifest of a result holds it."""
        return sha256(self.genes_csv).hexdigest()


@dataclass(frozen=True)
class Offer:
    """A version of a model asked in one way: what a public model id stands for.

    `versions` are all those in which the id can be asked, the newest first.
    """

    model: Model
    request_type: RequestType
    versions: tuple[int, ...] = ()

    @property
    def public_id(self) -> str:
        """The id that clients send: the model's own, and the suffix of the request type."""
        return self.model.model_id + self.request_type.suffix

    @property
    def title(self) -> str:
        """The model's name, as a person reads it."""
        title, purpose = self.model.manifest.title, self.request_type.purpose
        return f"{title}: {purpose}" if purpose else title

    @property
    def rules(self) -> ModelRules:
        """What a query to this id is checked against."""
        return replace(self.model.rules, request_type=self.request_type, versions=self.versions)

    @property
    def example_query(self) -> Mapping[str, Any]:
        """A query that is accepted as it stands."""
        model, form = self.model, FORMS[self.request_type]
        return form.example(model.rules, model.manifest.example_query, model.example_counts)
