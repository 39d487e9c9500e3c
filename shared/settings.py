"""The settings' classes: read at the door of a process by its composition root, handed down as values."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

MODELS_OF_THIS_CHECKOUT = Path(__file__).resolve().parent.parent / "models"


class ServerSettings(BaseSettings):
    """Where the servers are; every process reads these. Environment names begin with GENEQUEUE_."""

    model_config = SettingsConfigDict(env_prefix="GENEQUEUE_", extra="ignore")

    database_url: SecretStr
    redis_url: SecretStr
    storage_url: str
    models_dir: Path = MODELS_OF_THIS_CHECKOUT
    aws_access_key_id: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("GENEQUEUE_STORAGE_ACCESS_KEY_ID", "AWS_ACCESS_KEY_ID")
    )
    aws_secret_access_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("GENEQUEUE_STORAGE_SECRET_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY"),
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"


class ApiSettings(ServerSettings):
    """What the API needs besides the servers."""

    secret_key: SecretStr
    public_url: str | None = None
    auth: Literal["on", "off"] = "on"
    max_body_bytes: int = Field(default=256 * (1 << 20), gt=0)
    link_lifetime: timedelta = timedelta(hours=1)
    result_lifetime: timedelta = timedelta(days=30)
    stream_wait: timedelta = timedelta(minutes=10)
    database_pool_size: int = Field(default=10, gt=0)
    samples_per_chunk: int | None = Field(default=None, gt=0)


class WorkerSettings(ServerSettings):
    """What a worker needs besides the servers."""

    device: str | None = None
    lease: timedelta = timedelta(seconds=10)
    heartbeat: timedelta = timedelta(seconds=2)
    max_attempts: int = Field(default=3, gt=0)
    sweep_interval: timedelta = timedelta(seconds=2)
    batch_samples: int = Field(default=512, gt=0)
