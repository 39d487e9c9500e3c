"""What predict and validate read, as OpenAPI shows it: a query in JSON, or a file of rows and its options."""

from __future__ import annotations

from typing import Any

from api.schemas.query import OPTIONS, QUERY_EXAMPLES, metadata_schema, query_schema
from shared.queries.fields import FIELD_NAMES
from shared.queries.input_values import NUM_SAMPLES
from shared.queries.inputs import INPUTS
from shared.sheets.asked import ON_ERROR, UPLOAD
from shared.sheets.forms.design import DESIGN, EXCLUDE
from shared.sheets.taking_in import OnError

_OWN: dict[str, Any] = {
    NUM_SAMPLES: {
        "type": "integer",
        "minimum": 1,
        "description": "Samples of each row that does not say it itself.",
    },
    ON_ERROR: {
        "type": "string",
        "enum": [str(each) for each in OnError],
        "default": str(OnError.REJECT),
        "description": "What bad rows do: `reject`, nothing runs; `skip`, the good rows run.",
    },
}
_DESIGN: dict[str, Any] = {
    "type": "object",
    "properties": {name: {"type": "array", "items": {}} for name in FIELD_NAMES},
    "additionalProperties": False,
    "minProperties": 1,
}
_LARGE_EXAMPLES: dict[str, Any] = {
    "design": {
        "summary": "Every combination of two tissues, both sexes and three compounds but one; 5 samples each",
        "value": {
            "sampling_strategy": "mean estimation",
            "design": {
                "tissue_ontology_id": ["UBERON:0002107", "UBERON:0000948"],
                "sex": ["female", "male"],
                "perturbation_ontology_id": [None, "CHEBI:41879", "CHEBI:16330"],
            },
            "exclude": [{"sex": "female", "perturbation_ontology_id": "CHEBI:16330"}],
            "num_samples": 5,
        },
    },
    "upload": {
        "summary": "The rows of a finished upload; bad ones are left out",
        "value": {
            "sampling_strategy": "mean estimation",
            "upload": "5a3c0d7e-9f4b-4f0e-8c1d-2b3a4f5e6d7c",
            "on_error": "skip",
        },
    },
}
_ROW = '{"metadata": {"tissue_ontology_id": "UBERON:0002107", "sex": "male"}, "num_samples": 5}\n'
_CSV = "tissue_ontology_id,sex,num_samples,custom_id\nUBERON:0002107,male,5,liver-1\n"
_FILE = {"type": "string", "format": "binary"}


def query_content() -> dict[str, Any]:
    """The media types that are read, each with its schema and examples."""
    form = {
        "type": "object",
        "required": ["options", "inputs"],
        "properties": {
            "options": {"type": "object", "description": "The options of the query, as JSON."},
            "inputs": {**_FILE, "description": "The rows: NDJSON, CSV or Parquet, by type or name."},
        },
    }
    return {
        "application/json": {
            "schema": {"anyOf": [*query_schema()["anyOf"], _large_schema()]},
            "examples": QUERY_EXAMPLES | _LARGE_EXAMPLES,
        },
        "application/x-ndjson": {"schema": {"type": "string"}, "example": _ROW},
        "text/csv": {"schema": {"type": "string"}, "example": _CSV},
        "application/vnd.apache.parquet": {"schema": _FILE},
        "multipart/form-data": {"schema": form},
    }


def option_parameters() -> list[dict[str, Any]]:
    """The options of a file of rows, as query parameters."""
    said = {**OPTIONS, **_OWN}
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": f"Beside a file of rows. {schema.get('description', '')}".strip(),
            "schema": {"type": "string"} if schema["type"] in ("array", "object") else schema,
        }
        for name, schema in said.items()
    ]


def _large_schema() -> dict[str, Any]:
    exclude = {"type": "array", "items": metadata_schema(FIELD_NAMES)}
    properties = {
        UPLOAD: {"type": "string", "format": "uuid", "description": "A finished upload of rows."},
        DESIGN: {
            "anyOf": [_DESIGN, {"type": "array", "items": _DESIGN, "minItems": 1}],
            "description": "Values by field; every combination is an input; the last field varies fastest.",
        },
        EXCLUDE: {**exclude, "description": "Combinations that hold all of an entry are left out."},
        INPUTS: {"type": "array", "minItems": 1, "items": {"type": "object"}},
    }
    one_of = [{"required": [key]} for key in (UPLOAD, DESIGN, INPUTS)]
    return {
        "title": "Large query",
        "type": "object",
        "oneOf": one_of,
        "properties": {**properties, **_OWN, **OPTIONS},
    }
