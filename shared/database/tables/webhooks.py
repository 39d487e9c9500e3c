"""Who is told what happens: endpoints, what is on its way to them, and how each attempt went."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    SmallInteger,
    func,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.database.tables.base import THIS_TRANSACTION, Table, one_of
from shared.webhooks.schedule import MOST_ATTEMPTS
from shared.webhooks.states import DeliveryState, Disabled


class WebhookSecret(Table):
    """What a workspace signs with where a query names a URL itself. Secrets are sealed."""

    __tablename__ = "webhook_secrets"

    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id"), primary_key=True)
    secret: Mapped[str]
    previous_secret: Mapped[str | None]
    previous_until: Mapped[datetime | None]


class WebhookEndpoint(Table):
    """A URL that is told what happens: one that was registered, or one that queries name themselves."""

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        CheckConstraint(f"max_attempts BETWEEN 1 AND {MOST_ATTEMPTS}", name="max_attempts"),
        CheckConstraint("registered = (secret IS NOT NULL)", name="registered_has_a_secret"),
        CheckConstraint("enabled = (disabled_because IS NULL)", name="disabled_has_a_reason"),
        CheckConstraint(one_of("disabled_because", Disabled), name="disabled_because"),
        Index("webhook_endpoints_of_workspace", "workspace_id", postgresql_where=text("deleted_at IS NULL")),
        Index(
            "webhook_endpoints_named_by_queries",
            "workspace_id",
            "url",
            unique=True,
            postgresql_where=text("NOT registered"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id"))
    url: Mapped[str]
    registered: Mapped[bool] = mapped_column(server_default=true())
    description: Mapped[str] = mapped_column(server_default="")
    # Nothing named means everything.
    events: Mapped[list[str]] = mapped_column(JSONB, server_default="[]")
    models: Mapped[list[str]] = mapped_column(JSONB, server_default="[]")
    asymmetric: Mapped[bool] = mapped_column(server_default=text("false"))  # signed as v1a, too
    max_attempts: Mapped[int] = mapped_column(SmallInteger, server_default=str(MOST_ATTEMPTS))
    enabled: Mapped[bool] = mapped_column(server_default=true())
    disabled_because: Mapped[str | None]
    # Since when nothing but failures came back.
    failing_since: Mapped[datetime | None]
    # It asked for so long a rest (Retry-After); nothing is sent before.
    resting_until: Mapped[datetime | None]
    secret: Mapped[str | None]  # sealed
    previous_secret: Mapped[str | None]  # sealed; signs, too, until it is over
    previous_until: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    deleted_at: Mapped[datetime | None]  # the row stays for the log's sake


class WebhookDelivery(Table):
    """One event on its way to one endpoint; without a job it is a ping."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        CheckConstraint(one_of("state", DeliveryState), name="state"),
        CheckConstraint("(state IN ('waiting', 'sending')) = (finished_at IS NULL)", name="finished"),
        CheckConstraint("(job_id IS NULL) = (event_number IS NULL)", name="of_an_event"),
        Index("webhook_deliveries_once", "endpoint_id", "job_id", "event_number", unique=True),
        Index(
            "webhook_deliveries_due",
            "endpoint_id",
            "due_at",
            postgresql_where=text("state IN ('waiting', 'sending')"),
        ),
        Index("webhook_deliveries_of_job", "job_id", "endpoint_id"),
        Index("webhook_deliveries_of_workspace", "workspace_id", "created_at", "id"),
        Index("webhook_deliveries_by_age", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    workspace_id: Mapped[int] = mapped_column(BigInteger)
    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_endpoints.id"))
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    event_number: Mapped[int | None]
    kind: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=DeliveryState.WAITING)
    # Counted before an attempt begins: it is the fencing token of whoever sends.
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    # So many attempts do not count against the bound: made before it was asked for again by hand, or lost
    # with whoever made them.
    forgiven: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    # Of one that waits, when it is sent; of one that is sent, when somebody else may take it over.
    due_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_status: Mapped[int | None] = mapped_column(SmallInteger)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]


class WebhookAttempt(Table):
    """How one attempt went: the status, or why there was none, and how the answer begins."""

    __tablename__ = "webhook_attempts"

    delivery_id: Mapped[UUID] = mapped_column(
        ForeignKey("webhook_deliveries.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    began_at: Mapped[datetime]
    milliseconds: Mapped[int]
    status: Mapped[int | None] = mapped_column(SmallInteger)
    error: Mapped[str | None]
    answer: Mapped[str | None]


class Notice(Table):
    """What happened to a workspace beside its jobs, such as an endpoint that was disabled."""

    __tablename__ = "notices"
    __table_args__ = (Index("notices_in_order", "workspace_id", "written_by", "serial"),)

    serial: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspaces.id"))
    kind: Mapped[str]
    data: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    written_by: Mapped[int] = mapped_column(BigInteger, server_default=THIS_TRANSACTION)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
