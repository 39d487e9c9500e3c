"""What may be written into each metadata field of a model: listed, and searched by name."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool

from api.dependencies import ModelOf, PlugsOf
from api.schemas.vocabulary import FieldBody, FieldValues, ValueBody, VocabularyBody
from shared.catalog import Model
from shared.errors import FieldNotFound
from shared.queries.fields import FIELD_BY_NAME
from shared.queries.listing import known_values, list_fields, search_values

router = APIRouter(prefix="/api/models/{model_id}/vocabulary", tags=["Vocabulary"])


@router.get("", summary="The metadata fields of a model")
async def vocabulary(model: ModelOf) -> VocabularyBody:
    """Each field's kind, its closed values if it has such, and whether the model learnt anything from it."""
    return VocabularyBody(
        model_id=model.model_id, fields=[FieldBody.of(field) for field in list_fields(model.rules)]
    )


@router.get("/{field}", summary="The values of a field")
async def field_values(
    model: ModelOf,
    field: str,
    plugs: PlugsOf,
    q: Annotated[str | None, Query(description="Part of a label, a synonym or an id.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> FieldValues:
    """What the model was trained on; with `q`, all that fits in the ontologies, trained terms first."""
    _require_field(model, field)
    if q:
        hits = await run_in_threadpool(search_values, field, q, model.rules, plugs.ontologies, limit)
    else:
        hits = (await run_in_threadpool(known_values, field, model.rules, plugs.ontologies))[:limit]
    return FieldValues(model_id=model.model_id, field=field, values=[ValueBody.of(hit) for hit in hits])


def _require_field(model: Model, field: str) -> None:
    if field not in FIELD_BY_NAME:
        raise FieldNotFound(
            f"{model.model_id} has no metadata field {field!r}. The fields are: {', '.join(FIELD_BY_NAME)}."
        )
