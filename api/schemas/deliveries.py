"""How the log of webhook deliveries is shown: each delivery, and each of its attempts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.database.tables import WebhookAttempt, WebhookDelivery
from shared.webhooks.signatures import message_id
from shared.webhooks.states import DeliveryState


class StatusClass(StrEnum):
    """How the last attempt was answered."""

    SUCCESS = "2xx"
    REDIRECT = "3xx"
    CLIENT_ERROR = "4xx"
    SERVER_ERROR = "5xx"
    NONE = "none"

    @property
    def digit(self) -> int:
        """The first of its statuses; 0 for no answer."""
        return 0 if self is StatusClass.NONE else int(self.value[0])


class AttemptBody(BaseModel):
    """One attempt."""

    model_config = ConfigDict(from_attributes=True)

    number: int
    began_at: datetime
    milliseconds: int = Field(description="Until the answer, or until it was given up.")
    status: int | None = Field(description="The HTTP status; null where there was no answer.")
    error: str | None = Field(description="Why there was none, or what is wrong with it.")
    answer: str | None = Field(description="The first 1,024 bytes of the answer's body.")


class DeliveryBody(BaseModel):
    """One event on its way to one endpoint; without a job it is a ping."""

    id: UUID
    webhook_id: str = Field(
        description="The `webhook-id` header, at every attempt.",
        examples=["msg_5a3c0d7e9f4b4f0e8c1d2b3a4f5e6d7c"],
    )
    endpoint_id: UUID
    job_id: UUID | None = Field(description="The query that it is about.")
    event_number: int | None
    kind: str = Field(examples=["query.ready"])
    state: DeliveryState
    attempts: int
    last_status: int | None = Field(description="Of the last attempt; null where it got no answer.")
    next_try_at: datetime | None = Field(description="While it waits.")
    created_at: datetime
    finished_at: datetime | None
    links: dict[str, str]

    @classmethod
    def of(cls, delivery: WebhookDelivery, base_url: str, **more: Any) -> Self:
        """A delivery's row."""
        links = {
            "self": f"{base_url}/api/webhook-deliveries/{delivery.id}",
            "endpoint": f"{base_url}/api/webhook-endpoints/{delivery.endpoint_id}",
        }
        if delivery.job_id is not None:
            links["query"] = f"{base_url}/api/model-queries/{delivery.job_id}"
        return cls(
            id=delivery.id,
            webhook_id=message_id(delivery.id),
            endpoint_id=delivery.endpoint_id,
            job_id=delivery.job_id,
            event_number=delivery.event_number,
            kind=delivery.kind,
            state=DeliveryState(delivery.state),
            attempts=delivery.attempts,
            last_status=delivery.last_status,
            next_try_at=delivery.due_at if delivery.state == DeliveryState.WAITING else None,
            created_at=delivery.created_at,
            finished_at=delivery.finished_at,
            links=links,
            **more,
        )


class DeliveryDetail(DeliveryBody):
    """A delivery with everything that came of it."""

    url: str
    attempt_log: list[AttemptBody] = Field(description="One entry for each attempt, in order.")

    @classmethod
    def told(
        cls, delivery: WebhookDelivery, url: str, attempts: Iterable[WebhookAttempt], base_url: str
    ) -> Self:
        """A delivery's row and those of its attempts."""
        log = [AttemptBody.model_validate(attempt) for attempt in attempts]
        return cls.of(delivery, base_url, url=url, attempt_log=log)


class DeliveryPage(BaseModel):
    """Some of a workspace's deliveries, the newest first."""

    webhook_deliveries: list[DeliveryBody]
    next_cursor: str | None = Field(description="Send it as `cursor` for those before; null at the end.")


class Recovered(BaseModel):
    """What is sent again."""

    recovered: int = Field(description="Deliveries that are on their way again.")
    more: bool = Field(description="Whether others are left; ask again.")
