"""How webhook endpoints and signing secrets are shown, and how OpenAPI says that one is written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.endpoint_form import EVENTS, LONGEST_DESCRIPTION
from shared.database.tables import WebhookEndpoint, WebhookSecret
from shared.webhooks.schedule import MOST_ATTEMPTS
from shared.webhooks.states import Disabled

_SHOWN_ONCE = "Shown now and never again. Verify the `v1` signatures of every message with it."
_SECRET = ["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"]


class EndpointBody(BaseModel):
    """A URL that is told what happens to the queries of a workspace."""

    id: UUID
    url: str = Field(examples=["https://lab.example.org/genequeue"])
    description: str
    events: list[str] = Field(description="What it is told; everything where nothing is named.")
    models: list[str] = Field(description="Of which models; of all where none is named.")
    enabled: bool
    disabled_because: Disabled | None = Field(
        description="`owner`: you said so. `gone`: it answered 410. `failing`: only failures for five days."
    )
    failing_since: datetime | None = Field(description="Since when nothing but failures came back.")
    resting_until: datetime | None = Field(
        description="It answered 429, 502, 503 or 504 with Retry-After: nothing is sent before."
    )
    max_attempts: int = Field(description="How often a message is tried.")
    asymmetric: bool = Field(description="Whether messages have a `v1a` signature, too (Ed25519).")
    registered: bool = Field(description="Whether it was registered, or named by queries as `webhook_url`.")
    previous_secret_until: datetime | None = Field(description="Until then the secret before signs, too.")
    created_at: datetime
    links: dict[str, str]

    @classmethod
    def of(cls, endpoint: WebhookEndpoint, base_url: str, **more: Any) -> Self:
        """The public part of an endpoint's row."""
        route = f"{base_url}/api/webhook-endpoints/{endpoint.id}"
        log = f"{base_url}/api/webhook-deliveries?endpoint={endpoint.id}"
        return cls(
            id=endpoint.id,
            url=endpoint.url,
            description=endpoint.description,
            events=endpoint.events,
            models=endpoint.models,
            enabled=endpoint.enabled,
            disabled_because=Disabled(endpoint.disabled_because) if endpoint.disabled_because else None,
            failing_since=endpoint.failing_since,
            resting_until=_if_ahead(endpoint.resting_until),
            max_attempts=endpoint.max_attempts,
            asymmetric=endpoint.asymmetric,
            registered=endpoint.registered,
            previous_secret_until=_if_ahead(endpoint.previous_until),
            created_at=endpoint.created_at,
            links={"self": route, "deliveries": log},
            **more,
        )


class NewEndpointBody(EndpointBody):
    """An endpoint just registered: the only answer that holds its secret."""

    secret: str = Field(description=_SHOWN_ONCE, examples=_SECRET)
    ping_id: UUID | None = Field(description="The delivery that tries it out; null for a disabled one.")


class NewSecretBody(BaseModel):
    """The new secret of an endpoint."""

    secret: str = Field(description=_SHOWN_ONCE, examples=_SECRET)
    previous_secret_until: datetime | None = Field(description="Until then the secret before signs, too.")


class EndpointPage(BaseModel):
    """Some of a workspace's endpoints, the newest first. Without secrets."""

    webhook_endpoints: list[EndpointBody]
    next_cursor: str | None = Field(description="Send it as `cursor` for those before; null at the end.")


class WorkspaceSecretBody(BaseModel):
    """What signs the messages to URLs that queries name themselves."""

    secret: str = Field(
        description="Verify `v1` signatures with it. Whoever has it can pass for this server.",
        examples=_SECRET,
    )
    previous_secret_until: datetime | None = Field(description="Until then the secret before signs, too.")

    @classmethod
    def of(cls, row: WebhookSecret, secret: object) -> Self:
        """The secret, opened."""
        return cls(secret=str(secret), previous_secret_until=_if_ahead(row.previous_until))


class PublicKeyBody(BaseModel):
    """A key that verifies signatures and can make none."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "version": "v1a",
                    "algorithm": "Ed25519",
                    "key": "whpk_vgjRLBsjqX8cdKJHs3ZGfRXD+Ym4UlRaoJFBcKXZfEQ=",
                }
            ]
        }
    )

    version: str = Field(description="Before the comma in `webhook-signature`.")
    algorithm: str
    key: str = Field(description="`whpk_` and the base64 of 32 bytes.")


class PublicKeys(BaseModel):
    """What verifies the messages of this server without a secret."""

    keys: list[PublicKeyBody]


def endpoint_schema(*, whole: bool) -> dict[str, Any]:
    """The JSON schema of an endpoint as it is written."""
    properties: dict[str, Any] = {
        "url": {"type": "string", "format": "uri", "maxLength": 2048},
        "description": {"type": "string", "maxLength": LONGEST_DESCRIPTION, "default": ""},
        "events": {
            "type": "array",
            "items": {"type": "string", "enum": list(EVENTS)},
            "default": [],
            "description": "What it is told; everything where nothing is named.",
        },
        "models": {
            "type": "array",
            "items": {"type": "string"},
            "default": [],
            "description": "Of which models, by the ids that queries go to; of all where none is named.",
        },
        "enabled": {"type": "boolean", "default": True},
        "max_attempts": {
            "type": "integer",
            "minimum": 1,
            "maximum": MOST_ATTEMPTS,
            "default": MOST_ATTEMPTS,
        },
        "asymmetric": {
            "type": "boolean",
            "default": False,
            "description": "Sign with the key of this server (`v1a`), too.",
        },
    }
    if not whole:
        for one in properties.values():
            one.pop("default", None)
    required = {"required": ["url"]} if whole else {}
    return {"type": "object", "properties": properties, "additionalProperties": False, **required}


def _if_ahead(moment: datetime | None) -> datetime | None:
    return moment if moment is not None and moment > datetime.now(UTC) else None
