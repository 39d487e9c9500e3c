"""The query as OpenAPI shows it, built from the metadata fields; reading one is the checker's work."""

from __future__ import annotations

from typing import Any

from shared.queries.fields import METADATA_FIELDS, Kind, MetadataField
from shared.queries.spec import SamplingStrategy

_WRITTEN = {
    Kind.ONTOLOGY: "An id of {ontologies}.",
    Kind.CATEGORY: "One of a closed list.",
    Kind.QUANTITY: "A number of 0 or more, one space, a unit.",
    Kind.NUMBER: "A number, or a string of one.",
    Kind.STUDY: "A BioProject id.",
    Kind.TEXT: "Free text.",
}

QUERY_EXAMPLES: dict[str, Any] = {
    "tissues": {
        "summary": "Ten livers and ten hearts, with measurement error",
        "value": {
            "sampling_strategy": "sample generation",
            "inputs": [
                {"metadata": {"tissue_ontology_id": "UBERON:0002107", "sex": "male"}, "num_samples": 10},
                {"metadata": {"tissue_ontology_id": "UBERON:0000948", "sex": "male"}, "num_samples": 10},
            ],
            "seed": 7,
        },
    },
    "mean": {
        "summary": "The mean estimate of one condition, without any randomness",
        "value": {
            "sampling_strategy": "mean estimation",
            "inputs": [{"metadata": {"tissue_ontology_id": "UBERON:0002107"}, "num_samples": 1}],
            "deterministic_latents": True,
        },
    },
}


def query_schema() -> dict[str, Any]:
    """The JSON schema of a query for an expression model."""
    condition = {
        "type": "object",
        "required": ["metadata", "num_samples"],
        "properties": {
            "metadata": {
                "type": "object",
                "properties": {field.name: _field_schema(field) for field in METADATA_FIELDS},
                "additionalProperties": False,
            },
            "num_samples": {"type": "integer", "minimum": 1},
        },
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "required": ["sampling_strategy", "inputs"],
        "properties": {
            "sampling_strategy": {"type": "string", "enum": [str(value) for value in SamplingStrategy]},
            "inputs": {"type": "array", "minItems": 1, "items": condition},
            "total_count": {"type": "integer", "description": "Library size of a sample, in counts."},
            "deterministic_latents": {"type": "boolean", "default": False},
            "seed": {"type": "integer", "minimum": 0, "description": "Same query, same seed: same result."},
            "source": {"type": "string", "description": "Which client sent it."},
        },
    }


def _field_schema(field: MetadataField) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "type": ["number", "string"] if field.kind is Kind.NUMBER else "string",
        "description": _WRITTEN[field.kind].format(ontologies=", ".join(field.ontologies)),
    }
    return schema | ({"enum": list(field.values)} if field.values else {})
