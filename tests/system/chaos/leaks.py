"""What a calm stage must not hold on to: connections, open files, temporary files."""

from __future__ import annotations

from collections.abc import Iterator

import psutil

from tests.system.chaos.ledger import Broken
from tests.system.chaos.stage import APIS, UPKEEP, WORKERS, Stage

# The pools and their overflow: 20 of an API process, 8 of a generation worker, 4 of upkeep.
_MOST_SESSIONS = 20 * len(APIS) + 8 * len(WORKERS) + 4
_MOST_BROKER_CLIENTS = 40
_MOST_FILES = 120


def leaks(stage: Stage) -> list[Broken]:
    """Everything that is held on to."""
    return [Broken("nothing leaks", case) for case in (*_sessions(stage), *_clients(stage), *_files(stage))]


def _sessions(stage: Stage) -> Iterator[str]:
    statement = (
        "SELECT state, count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
        "AND backend_type = 'client backend' GROUP BY state"
    )
    with stage.database() as connection:
        sessions: dict[str, int] = dict(connection.execute(statement).fetchall())
    if sum(sessions.values()) > _MOST_SESSIONS:
        yield f"{sessions} sessions of Postgres"


def _clients(stage: Stage) -> Iterator[str]:
    with stage.broker() as client:
        connected = int(client.info("clients")["connected_clients"])
    if connected > _MOST_BROKER_CLIENTS:
        yield f"{connected} connections to Valkey"


def _files(stage: Stage) -> Iterator[str]:
    for name in (*APIS, *WORKERS, UPKEEP):
        if (count := psutil.Process(stage.pid(name)).num_fds()) > _MOST_FILES:
            yield f"{name} has {count} files open"
    for path in (stage.folder / "scratch").iterdir():
        yield f"{path.name} lies in the folder for temporary files"
