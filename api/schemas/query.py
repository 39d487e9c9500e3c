"""The query as OpenAPI shows it, built from the metadata fields; reading one is the checker's work."""

from __future__ import annotations

from typing import Any

from shared.jobs.events import EventKind
from shared.jobs.lanes import Lane
from shared.queries.custom_ids import MOST_CHARACTERS
from shared.queries.fields import FIELD_BY_NAME, Kind, LatentGroup, MetadataField
from shared.queries.forms import FORMS, QueryForm
from shared.queries.input_values import COUNTS, CUSTOM_ID, METADATA, NUM_SAMPLES
from shared.queries.inputs import INPUTS
from shared.queries.spec import SamplingStrategy

_WRITTEN = {
    Kind.ONTOLOGY: "An id of {ontologies}.",
    Kind.CATEGORY: "One of a closed list.",
    Kind.QUANTITY: "A number of 0 or more, one space, a unit.",
    Kind.NUMBER: "A number, or a string of one.",
    Kind.STUDY: "A BioProject id.",
    Kind.TEXT: "Free text.",
}

OPTIONS: dict[str, Any] = {
    "sampling_strategy": {"type": "string", "enum": [str(value) for value in SamplingStrategy]},
    "total_count": {"type": "integer", "description": "Library size of a sample, in counts."},
    "deterministic_latents": {"type": "boolean", "default": False},
    "seed": {"type": "integer", "minimum": 0, "description": "Same query, same seed: same result."},
    "source": {"type": "string", "description": "Which client sent it."},
    "model_version": {"type": "integer", "description": "A version of the model; the newest without it."},
    "conditioning": {
        "type": "array",
        "items": {"type": "string", "enum": [str(group) for group in LatentGroup]},
        "minItems": 1,
        "description": "The latents that are taken from the reference.",
    },
    "fixed_total_count": {
        "type": "boolean",
        "default": False,
        "description": "Whether total_count holds; without it a sample is as large as its reference.",
    },
    "priority": {
        "type": "string",
        "enum": [str(lane) for lane in Lane],
        "description": "Interactive queries go first; without it, small ones are interactive.",
    },
    "deadline": {
        "type": "string",
        "format": "date-time",
        "description": "What is not done by then is not begun any more. Also as seconds: `Cancel-After`.",
    },
    "expires_in": {
        "type": ["string", "number"],
        "description": "How long the result is kept: ISO 8601, or seconds; one hour to 365 days.",
        "examples": ["P7D"],
    },
    "client_metadata": {
        "type": "object",
        "maxProperties": 16,
        "additionalProperties": {"type": "string"},
        "description": "Pairs of your own: echoed, and to be searched for.",
    },
    "webhook_url": {
        "type": "string",
        "format": "uri",
        "description": "Is told what happens to this query, signed with the secret of the workspace.",
        "examples": ["https://lab.example.org/genequeue"],
    },
    "webhook_events": {
        "type": "array",
        "items": {"type": "string", "enum": [str(kind) for kind in EventKind]},
        "minItems": 1,
        "description": "What webhook_url is told; everything without it.",
        "examples": [["query.ready", "query.failed"]],
    },
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
    "reference": {
        "summary": "A sample of your own under dexamethasone; its counts are cut short here",
        "value": {
            "sampling_strategy": "mean estimation",
            "inputs": [
                {
                    "metadata": {"perturbation_ontology_id": "CHEBI:41879"},
                    "num_samples": 3,
                    "counts": [904, 0, 61],
                }
            ],
            "conditioning": ["biological", "technical"],
        },
    },
    "metadata": {
        "summary": "What a sample of your own is; its counts are cut short here",
        "value": {"inputs": [{"counts": [904, 0, 61]}]},
    },
}


def query_schema() -> dict[str, Any]:
    """The JSON schema of a query, one alternative for each request type."""
    return {"anyOf": [_form_schema(form) for form in FORMS.values()]}


def _form_schema(form: QueryForm) -> dict[str, Any]:
    keys: dict[str, Any] = {
        METADATA: metadata_schema(form.fields),
        NUM_SAMPLES: {"type": "integer", "minimum": 1},
        COUNTS: {
            "type": "array",
            "items": {"type": "integer", "minimum": 0},
            "description": "Raw counts of one sample, in the order of the model's genes.",
        },
        CUSTOM_ID: {
            "type": "string",
            "minLength": 1,
            "maxLength": MOST_CHARACTERS,
            "description": "Your name for this input, unique in the query; every form of the result has it.",
        },
    }
    condition = {
        "type": "object",
        "required": [key for key in form.keys if key not in form.optional],
        "properties": {key: keys[key] for key in form.keys},
        "additionalProperties": False,
    }
    inputs = {"type": "array", "minItems": 1, "items": condition}
    return {
        "title": f"Query to a model whose id ends in {form.request_type.suffix}"
        if form.request_type.suffix
        else "Query to a plain model",
        "type": "object",
        "required": [*form.required, INPUTS],
        "properties": {INPUTS: inputs, **{name: OPTIONS[name] for name in form.options}},
    }


def metadata_schema(fields: tuple[str, ...]) -> dict[str, Any]:
    """The JSON schema of metadata with these fields."""
    return {
        "type": "object",
        "properties": {name: _field_schema(FIELD_BY_NAME[name]) for name in fields},
        "additionalProperties": False,
    }


def _field_schema(field: MetadataField) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "type": ["number", "string"] if field.kind is Kind.NUMBER else "string",
        "description": _WRITTEN[field.kind].format(ontologies=", ".join(field.ontologies)),
    }
    return schema | ({"enum": list(field.values)} if field.values else {})
