"""Reads a model directory: JSON and CSV, every file checked by digest. Weights are hashed, never loaded."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
from pathlib import Path

import orjson

from shared.catalog.model import (
    EXAMPLE_COUNTS,
    GENES,
    MANIFEST,
    SCHEMA_VERSION,
    VOCABULARY,
    WEIGHTS,
    Gene,
    Manifest,
    Model,
)
from shared.errors import CheckpointCorrupt, CheckpointMissing
from shared.queries.requests import RequestType
from shared.queries.spec import Modality, SamplingStrategy
from shared.queries.vocabulary import Vocabulary


def open_model(directory: Path) -> Model:
    """Read one model directory and check every digest that its manifest names."""
    manifest = read_manifest(directory)
    contents = {name: _checked(directory / name, digest) for name, digest in manifest.digests.items()}
    vocabulary = Vocabulary.from_json(orjson.loads(contents[VOCABULARY]))
    genes = _read_genes(contents[GENES])
    return Model(
        directory, manifest, vocabulary, genes, _read_counts(contents.get(EXAMPLE_COUNTS), len(genes))
    )


def read_manifest(directory: Path) -> Manifest:
    """What the manifest of a model directory says. Raises CheckpointMissing and CheckpointCorrupt."""
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
        raw["request_types"] = tuple(RequestType(name) for name in raw["request_types"])
        manifest = Manifest(**raw)
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointCorrupt(f"{path} is not a valid manifest: {error}.") from error
    missing = {VOCABULARY, GENES, WEIGHTS} - set(manifest.digests)
    if missing:
        raise CheckpointCorrupt(f"{path} names no digest for {', '.join(sorted(missing))}.")
    if strays := [name for name in manifest.digests if Path(name).name != name]:
        raise CheckpointCorrupt(f"{path} names a file outside its directory: {strays[0]!r}.")
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


def _read_counts(content: bytes | None, num_genes: int) -> tuple[int, ...]:
    """The example sample; one count of each gene for a model that has none."""
    return tuple(orjson.loads(gzip.decompress(content))) if content else (1,) * num_genes
