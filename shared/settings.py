"""The settings' classes: read at the door of a process by its composition root, handed down as values."""

from __future__ import annotations

import os
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.errors import SetupError
from shared.webhooks.destinations import Rules

MODELS_OF_THIS_CHECKOUT = Path(__file__).resolve().parent.parent / "models"


def user_cache() -> Path:
    """Where this user's programs keep what can be fetched again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "genequeue" / "models"


class CatalogSettings(BaseSettings):
    """Where models are and the rows that name them. Environment names begin with GENEQUEUE_."""

    model_config = SettingsConfigDict(env_prefix="GENEQUEUE_", extra="ignore")

    database_url: SecretStr
    storage_url: str
    models_dir: Path = MODELS_OF_THIS_CHECKOUT
    models_cache: Path = Field(default_factory=user_cache)
    aws_access_key_id: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("GENEQUEUE_STORAGE_ACCESS_KEY_ID", "AWS_ACCESS_KEY_ID")
    )
    aws_secret_access_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("GENEQUEUE_STORAGE_SECRET_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY"),
    )

    @property
    def storage_keys(self) -> tuple[str | None, str | None]:
        """Access key id and secret of the storage; None where the machine's own role is meant."""
        key, secret = self.aws_access_key_id, self.aws_secret_access_key
        return key.get_secret_value() if key else None, secret.get_secret_value() if secret else None


class ServerSettings(CatalogSettings):
    """Where the servers are; every process reads these."""

    redis_url: SecretStr
    log_level: Literal["debug", "info", "warning", "error"] = "info"


class OutwardSettings(ServerSettings):
    """What is needed to sign links and webhooks, and to know where those may go."""

    secret_key: SecretStr
    public_url: str | None = None
    link_lifetime: timedelta = timedelta(hours=1)
    report_lifetime: timedelta = timedelta(days=7)  # of what is said about each row of a large request
    # Beside public addresses, such as 10.0.0.0/8; several, separated by commas.
    webhook_allowed_networks: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    webhook_plain_http: bool = False  # http to public addresses; opened networks need no encryption

    @field_validator("webhook_allowed_networks", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return (
            [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        )

    @property
    def webhook_rules(self) -> Rules:
        """Where webhooks may go."""
        return Rules(self.webhook_allowed_networks, self.webhook_plain_http)


class ApiSettings(OutwardSettings):
    """What the API needs besides."""

    auth: Literal["on", "off"] = "on"
    # Where clients reach an S3 storage, for presigned URLs; without it the API serves stored files itself.
    storage_public_endpoint: str | None = None
    max_body_bytes: int = Field(default=256 * (1 << 20), gt=0)  # of a JSON query, which is read whole
    max_upload_bytes: int = Field(default=1_000_000_000, gt=0)  # of a large request, packed or not
    max_samples: int = Field(default=1_000_000, gt=0)
    max_inputs: int = Field(default=1_000_000, gt=0)
    upload_lifetime: timedelta = timedelta(hours=24)  # of an upload that is not touched
    result_lifetime: timedelta = timedelta(days=30)
    stream_wait: timedelta = timedelta(minutes=9)  # clients give up after ten
    event_silence: timedelta = timedelta(seconds=15)  # proxies close a stream that is silent for longer
    database_pool_size: int = Field(default=10, gt=0)
    database_patience: timedelta = timedelta(seconds=20)  # of a GET: the clients give up after thirty
    samples_per_chunk: int | None = Field(default=None, gt=0)
    interactive_samples: int = Field(default=2_000, ge=0)  # larger queries that name no priority are bulk
    # Beyond so many samples that are promised and not there, no query is taken.
    workspace_samples: int = Field(default=4_000_000, gt=0)
    service_samples: int = Field(default=10_000_000, gt=0)
    # Uploads that one workspace keeps at a time, whole or not, and their bytes as announced.
    workspace_uploads: int = Field(default=1_000, gt=0)
    workspace_upload_bytes: int = Field(default=50_000_000_000, gt=0)
    # Who may read GET /metrics: anybody, callers in private networks, nobody.
    metrics: Literal["on", "private", "off"] = "private"


class WorkerSettings(ServerSettings):
    """What a worker needs besides the servers."""

    device: str | None = None
    lease: timedelta = timedelta(seconds=10)
    heartbeat: timedelta = timedelta(seconds=2)
    max_attempts: int = Field(default=3, gt=0)
    look_interval: timedelta = timedelta(seconds=2)  # for work, also when no wake-up comes
    sweep_interval: timedelta = timedelta(seconds=2)
    expire_interval: timedelta = timedelta(minutes=1)
    tidy_interval: timedelta = timedelta(minutes=15)
    batch_samples: int = Field(default=512, gt=0)
    bulk_patience: timedelta = timedelta(minutes=5)  # after that a bulk chunk waits no longer than others
    # A worker that did not look for work for so long, while some waits, ends: longer than any batch takes.
    watchdog: timedelta = timedelta(minutes=2)
    memory_bytes: int | None = Field(default=None, gt=0)  # a worker that grew beyond ends between batches
    models_in_memory: int = Field(default=4, gt=0)
    metrics_port: int | None = Field(default=None, gt=0, lt=1 << 16)  # None: no figures are served
    metrics_host: str = "127.0.0.1"


class UpkeepSettings(WorkerSettings, OutwardSettings):
    """What the upkeep worker needs, which sends webhooks as well."""


S = TypeVar("S", bound=CatalogSettings)


def read_settings(kind: type[S], **given: Any) -> S:
    """The settings that the environment holds; what is given wins.

    Raises SetupError, naming each variable that is wrong.
    """
    try:
        return kind(**given)
    except ValidationError as error:
        faults = (f"{_variable(fault['loc'][0])}: {fault['msg']}" for fault in error.errors())
        raise SetupError(f"The environment does not fit. {'; '.join(faults)}.") from None


def _variable(field: int | str) -> str:
    name = str(field)
    return name if name.isupper() else f"GENEQUEUE_{name.upper()}"
