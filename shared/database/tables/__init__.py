"""The tables. Constraints forbid rows that the table of legal moves could not have made."""

from shared.database.tables.accounts import ApiKey, IdempotencyKey, Workspace
from shared.database.tables.base import Table
from shared.database.tables.chunks import LEASE_TOKENS, Chunk
from shared.database.tables.files import Artifact, Upload
from shared.database.tables.fleet import Canary, Role, Worker
from shared.database.tables.jobs import Event, Job, JobInput
from shared.database.tables.models import MODEL_REVISIONS, AddedModel
from shared.database.tables.webhooks import (
    Notice,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookSecret,
)

__all__ = [
    "LEASE_TOKENS",
    "MODEL_REVISIONS",
    "AddedModel",
    "ApiKey",
    "Artifact",
    "Canary",
    "Chunk",
    "Event",
    "IdempotencyKey",
    "Job",
    "JobInput",
    "Notice",
    "Role",
    "Table",
    "Upload",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookSecret",
    "Worker",
    "Workspace",
]
