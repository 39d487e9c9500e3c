"""Which models there are: manifest, vocabulary and genes of each, checked by digest. No rows, no torch."""

from shared.catalog.catalog import BrokenModel, Catalog
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
    Offer,
)
from shared.catalog.reading import open_model, read_manifest

__all__ = [
    "EXAMPLE_COUNTS",
    "GENES",
    "MANIFEST",
    "SCHEMA_VERSION",
    "VOCABULARY",
    "WEIGHTS",
    "BrokenModel",
    "Catalog",
    "Gene",
    "Manifest",
    "Model",
    "Offer",
    "open_model",
    "read_manifest",
]
