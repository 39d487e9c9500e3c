"""The servers: do Postgres, Valkey, the storage and the API answer, and are they set up to be relied on?"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import httpx
from redis import Redis
from redis.exceptions import RedisError

from cli.doctor.finding import Finding, ago, ok, warning, wrong
from cli.doctor.installation import Installation
from shared.database.engines import transaction
from shared.database.migrate import Revisions, revisions
from shared.database.queries.diagnosis import server_facts
from shared.errors import GeneQueueError
from shared.storage.objects import Credentials, open_storage

_OLDEST_POSTGRES = 150_000
_CROWDED = 0.8
_PATIENCE_SECONDS = 4
_SLOW_STORAGE = timedelta(seconds=2)
_CLASS_NAME = re.compile(r"\(psycopg[\w.]*\) ")


def examine_postgres(place: Installation) -> Iterator[Finding]:
    """Does it answer, is it new enough, may it be written to, is there room for more connections?"""
    try:
        with transaction(place.engine) as session:
            version, allowed, in_use, copy = session.execute(server_facts()).one()
    except GeneQueueError as error:
        remedy = f"Start it, or correct GENEQUEUE_DATABASE_URL. {place.log('postgres')}"
        yield wrong("postgres", _sentence(error), remedy)
    else:
        yield judge_postgres(version, allowed, in_use, copy)


def judge_postgres(version: int, allowed: int, in_use: int, copy: bool) -> Finding:
    """`version` as 180001."""
    name = f"Postgres {version // 10_000}.{version % 10_000}"
    if version < _OLDEST_POSTGRES:
        return wrong("postgres", f"{name} is too old.", "Upgrade it to Postgres 15 or later.")
    if copy:
        return wrong(
            "postgres", f"{name} is a read-only copy.", "Name the primary in GENEQUEUE_DATABASE_URL."
        )
    found = f"{name} answers; {in_use} of {allowed} connections are in use."
    if in_use > _CROWDED * allowed:
        return warning("postgres", found, "Raise max_connections, or lower GENEQUEUE_DATABASE_POOL_SIZE.")
    return ok("postgres", found)


def examine_migrations(place: Installation) -> Iterator[Finding]:
    """Is the schema the one that this checkout was written for?"""
    yield judge_migrations(revisions(place.engine))


def judge_migrations(found: Revisions) -> Finding:
    """The database's revision against those of the checkout."""
    if found.current is None:
        return wrong("migrations", "The database has no schema.", "Run `alembic upgrade head`.")
    if found.current not in found.known:
        return wrong(
            "migrations",
            f"The database has revision {found.current}, which this checkout does not know.",
            "Upgrade GeneQueue here to the version that migrated the database.",
        )
    if found.current != found.newest:
        return wrong(
            "migrations",
            f"The database has revision {found.current}; this checkout needs {found.newest}.",
            "Run `alembic upgrade head`, or start `genequeue up` again.",
        )
    return ok("migrations", f"The database has the newest revision, {found.newest}.")


def examine_valkey(place: Installation) -> Iterator[Finding]:
    """Does it answer, take writes, and keep what it is told?"""
    url = place.settings.redis_url.get_secret_value()
    try:
        with Redis.from_url(
            url, socket_connect_timeout=_PATIENCE_SECONDS, socket_timeout=_PATIENCE_SECONDS
        ) as client:
            client.ping()
            yield judge_valkey(client.info())
    except (RedisError, OSError, ValueError) as error:
        remedy = (
            "Start it, or correct GENEQUEUE_REDIS_URL. Nothing is lost meanwhile: queries are accepted, and "
            f"computed when it is back. {place.log('valkey')}"
        )
        yield wrong("valkey", f"It does not answer: {error}.", remedy)


def judge_valkey(info: Mapping[str, Any]) -> Finding:
    """What its INFO says."""
    name, version = ("Valkey", info["valkey_version"]) if "valkey_version" in info else ("Redis", None)
    name = f"{name} {version or info.get('redis_version', '?')}"
    if "err" in {info.get("aof_last_write_status"), info.get("rdb_last_bgsave_status")}:
        return wrong(
            "valkey",
            f"{name} could not save its data and may refuse writes.",
            "Make room on its disk; its log says what failed.",
        )
    kept = "an append-only file" if info.get("aof_enabled") else "memory and snapshots only"
    policy = info.get("maxmemory_policy", "unknown")
    found = f"{name} answers; it keeps {kept}, maxmemory-policy is {policy}."
    if policy not in {"noeviction", "unknown"} and info.get("maxmemory"):
        return warning("valkey", found, "Set maxmemory-policy to noeviction: it may drop wake-ups otherwise.")
    return ok("valkey", found)


def examine_storage(place: Installation) -> Iterator[Finding]:
    """Can an object be written, read and removed?"""
    settings = place.settings
    began = time.monotonic()
    try:
        storage = open_storage(settings.storage_url, Credentials(*settings.storage_keys))
        storage.check()
    except GeneQueueError as error:
        remedy = "Start it, make room on it, or correct GENEQUEUE_STORAGE_URL and its access key."
        yield wrong("storage", _sentence(error), remedy)
        return
    took = timedelta(seconds=time.monotonic() - began)
    found = f"{storage.place} took, gave back and removed an object in {ago(took)}."
    if took > _SLOW_STORAGE:
        yield warning("storage", found, "Look at the load of the storage and at the network between.")
    else:
        yield ok("storage", found)


def examine_api(place: Installation) -> Iterator[Finding]:
    """What it says about itself."""
    try:
        answer = httpx.get(f"{place.url}/health/ready", timeout=_PATIENCE_SECONDS + 2, trust_env=False)
        ready, body = answer.status_code == HTTPStatus.OK, answer.json()
        checks, broken = body["checks"], body["broken_models"]
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        remedy = f"Start it, or say where it is with --url. {place.log('api')}"
        yield wrong("api", f"{place.url} does not answer: {error}.", remedy)
    except (ValueError, KeyError, TypeError):
        yield wrong("api", f"What answers at {place.url} is not GeneQueue.", "Say where it is with --url.")
    else:
        yield judge_api(place.url, ready, checks, broken)


def judge_api(url: str, ready: bool, checks: Mapping[str, str], broken: list[str]) -> Finding:
    """Its readiness, and the models that it cannot serve."""
    if not ready:
        failing = "; ".join(f"{name}: {said}" for name, said in checks.items() if said != "ok")
        return wrong("api", f"{url} is not ready. {failing}", "Put right what it names; it is ready then.")
    if broken:
        return warning(
            "api",
            f"{url} is ready, but for {' '.join(broken)}",
            "Add those models again with `genequeue models add`, or remove them.",
        )
    return ok("api", f"{url} is ready.")


def _sentence(error: GeneQueueError) -> str:
    """The first line of an error, without the driver's class names."""
    return f"{_CLASS_NAME.sub('', str(error).splitlines()[0]).rstrip('.')}."
