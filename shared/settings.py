"""The settings' classes: read at the door of a process by its composition root, handed down as values."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import SetupError

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

    @property
    def storage_keys(self) -> tuple[str | None, str | None]:
        """Access key id and secret of the storage; None where the machine's own role is meant."""
        key, secret = self.aws_access_key_id, self.aws_secret_access_key
        return key.get_secret_value() if key else None, secret.get_secret_value() if secret else None


class ApiSettings(ServerSettings):
    """What the API needs besides the servers."""

    secret_key: SecretStr
    public_url: str | None = None
    auth: Literal["on", "off"] = "on"
    max_body_bytes: int = Field(default=256 * (1 << 20), gt=0)
    link_lifetime: timedelta = timedelta(hours=1)
    result_lifetime: timedelta = timedelta(days=30)
    stream_wait: timedelta = timedelta(minutes=9)  # clients give up after ten
    database_pool_size: int = Field(default=10, gt=0)
    samples_per_chunk: int | None = Field(default=None, gt=0)


class WorkerSettings(ServerSettings):
    """What a worker needs besides the servers."""

    device: str | None = None
    lease: timedelta = timedelta(seconds=10)
    heartbeat: timedelta = timedelta(seconds=2)
    max_attempts: int = Field(default=3, gt=0)
    sweep_interval: timedelta = timedelta(seconds=2)
    expire_interval: timedelta = timedelta(minutes=1)
    batch_samples: int = Field(default=512, gt=0)


S = TypeVar("S", bound=ServerSettings)


def read_settings(kind: type[S]) -> S:
    """The settings that the environment holds. Raises SetupError, naming each variable that is wrong."""
    try:
        return kind()
    except ValidationError as error:
        faults = (f"{_variable(fault['loc'][0])}: {fault['msg']}" for fault in error.errors())
        raise SetupError(f"The environment does not fit. {'; '.join(faults)}.") from None


def _variable(field: int | str) -> str:
    name = str(field)
    return name if name.isupper() else f"GENEQUEUE_{name.upper()}"
