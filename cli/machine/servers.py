"""The servers of one machine: those that the environment names, or embedded ones that are started here."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from cli.machine.folder import DataFolder
from cli.machine.postgres import Postgres, open_postgres
from cli.machine.process import Pause, wait_until_ready
from cli.machine.secret_files import kept_secret
from cli.machine.supervisor import Supervisor
from cli.machine.valkey import Valkey, open_valkey
from shared.errors import SetupError
from shared.settings import MODELS_OF_THIS_CHECKOUT

_PATIENCE = timedelta(seconds=60)


LOOPBACK = "127.0.0.0/8,::1/128"


@dataclass(frozen=True, slots=True)
class Places:
    """Where everything is, as the processes are told."""

    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    storage_url: str
    models_dir: str
    models_cache: str
    secret_key: str = field(repr=False)
    webhook_networks: str

    @property
    def environment(self) -> dict[str, str]:
        """The variables that say it."""
        return {
            "GENEQUEUE_DATABASE_URL": self.database_url,
            "GENEQUEUE_REDIS_URL": self.redis_url,
            "GENEQUEUE_STORAGE_URL": self.storage_url,
            "GENEQUEUE_MODELS_DIR": self.models_dir,
            "GENEQUEUE_MODELS_CACHE": self.models_cache,
            "GENEQUEUE_SECRET_KEY": self.secret_key,
            "GENEQUEUE_WEBHOOK_ALLOWED_NETWORKS": self.webhook_networks,
        }


def start_servers(
    folder: DataFolder, named: Mapping[str, str], supervisor: Supervisor, pause: Pause = time.sleep
) -> Places:
    """Start the servers that the environment `named` does not name, Postgres first; all answer at the end.

    Raises SetupError.
    """
    postgres = None if "GENEQUEUE_DATABASE_URL" in named else open_postgres(folder.postgres)
    valkey = None if "GENEQUEUE_REDIS_URL" in named else open_valkey(folder.valkey)
    if postgres:
        postgres.wait_for_last_owner(pause)
        supervisor.launch([postgres.program(folder.log("postgres"))])
    if valkey:
        supervisor.launch([valkey.program(folder.log("valkey"))])
    for server in (postgres, valkey):
        _wait(server, supervisor, pause)
    redis_url = valkey.url() if valkey else _answering(named["GENEQUEUE_REDIS_URL"])
    return Places(
        database_url=postgres.url() if postgres else named["GENEQUEUE_DATABASE_URL"],
        redis_url=redis_url,
        storage_url=named.get("GENEQUEUE_STORAGE_URL") or folder.objects.as_uri(),
        models_dir=str(Path(named.get("GENEQUEUE_MODELS_DIR") or MODELS_OF_THIS_CHECKOUT).resolve()),
        models_cache=named.get("GENEQUEUE_MODELS_CACHE") or str(folder.models),
        secret_key=named.get("GENEQUEUE_SECRET_KEY") or kept_secret(folder.secret_key),
        # Receivers on this very machine are what one begins with.
        webhook_networks=named.get("GENEQUEUE_WEBHOOK_ALLOWED_NETWORKS", LOOPBACK),
    )


def _wait(server: Postgres | Valkey | None, supervisor: Supervisor, pause: Pause) -> None:
    if server is not None:
        name = "postgres" if isinstance(server, Postgres) else "valkey"
        wait_until_ready(supervisor.child(name), server.ready, _PATIENCE, pause)


def _answering(redis_url: str) -> str:
    try:
        with Redis.from_url(redis_url, socket_connect_timeout=5, socket_timeout=5) as client:
            client.ping()
    except (RedisError, ValueError) as error:
        raise SetupError(
            f"The Redis that GENEQUEUE_REDIS_URL names does not answer: {error}. "
            "Write it as redis://:password@host:6379/0, or unset it to use the embedded one."
        ) from error
    return redis_url
