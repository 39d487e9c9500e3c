"""Model directories that no network reads: what the API needs of a model, and nothing of torch."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
from pathlib import Path
from typing import Any

import orjson

from shared.catalog import GENES, MANIFEST, SCHEMA_VERSION, VOCABULARY, WEIGHTS, Model, open_model
from shared.queries.requests import RequestType
from shared.queries.vocabulary import FieldVocabulary, Term, Vocabulary

LIVER, HEART, LOBE_OF_LIVER = "UBERON:0002107", "UBERON:0000948", "UBERON:0001115"
B_CELL = "CL:0000236"
_TERMS = {
    "tissue_ontology_id": {
        LIVER: Term("liver", rows=40),
        HEART: Term("heart", rows=40),
    },
    "cell_type_ontology_id": {B_CELL: Term("B cell", rows=40)},
    "sex": {"female": Term("female", rows=60), "male": Term("male", rows=60)},
    "perturbation_ontology_id": {"CHEBI:41879": Term("dexamethasone", rows=4)},
    "sample_type": {"primary tissue": Term("primary tissue", rows=60)},
}


def unread_model(
    directory: Path,
    model_id: str = "gem-1-bulk",
    *,
    genes: int = 50,
    samples_per_chunk: int = 4,
    weights: bytes = b"never read",
) -> Model:
    """Write a model to `directory / model_id` and read it back; its weights are no weights."""
    fields = {name: FieldVocabulary(name, terms) for name, terms in _TERMS.items()}
    files = {
        VOCABULARY: orjson.dumps(Vocabulary(fields).to_json()),
        GENES: _gene_table(genes),
        WEIGHTS: weights,
    }
    manifest = _manifest(model_id, samples_per_chunk) | {
        "digests": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    }
    folder = directory / model_id
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in {**files, MANIFEST: orjson.dumps(manifest)}.items():
        (folder / name).write_bytes(content)
    return open_model(folder)


def _manifest(model_id: str, samples_per_chunk: int) -> dict[str, Any]:
    bulk = "bulk" in model_id
    metadata = {"tissue_ontology_id": LIVER, "sex": "female"} if bulk else {"cell_type_ontology_id": B_CELL}
    return {
        "schema_version": SCHEMA_VERSION,
        "model_id": model_id,
        "version": 1,
        "modality": "bulk" if bulk else "single-cell",
        "title": f"Unread {model_id}",
        "description": "For tests.",
        "sampling_strategies": ["mean estimation", "sample generation"] if bulk else ["mean estimation"],
        "default_total_count": 10_000_000 if bulk else 10_000,
        "latent_sizes": {"biological": 3, "technical": 2, "perturbation": 2},
        "samples_per_chunk": samples_per_chunk,
        "architecture": {},
        "example_query": {
            "sampling_strategy": "mean estimation",
            "inputs": [{"metadata": metadata, "num_samples": 2}],
        },
        "licence": "CC0-1.0",
        "request_types": [str(kind) for kind in RequestType],
    }


def _gene_table(genes: int) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["ensembl_id", "symbol", "biotype", "length"])
    writer.writerows([f"ENSG{i + 1:011d}", f"GENE{i + 1}", "protein_coding", 1000 + i] for i in range(genes))
    return gzip.compress(text.getvalue().encode(), mtime=0)
