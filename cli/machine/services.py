"""GeneQueue's own processes: how each is started, and when a run of them is ready."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

import httpx
from sqlalchemy import Engine

from cli.machine.folder import DataFolder
from cli.machine.ports import LOCALHOST
from cli.machine.process import Program
from shared.database.engines import transaction
from shared.database.queries.workers import live_workers
from shared.errors import DatabaseUnavailable

_ROOT = Path(__file__).resolve().parents[2]
_BATCH = timedelta(seconds=60)  # the longest that a batch in hand may take to end
_DOWNLOADS = 30  # seconds that downloads under way get when the API is stopped
_HEARD_OF = timedelta(seconds=15)


def api_names(count: int) -> tuple[str, ...]:
    """What that many API processes are called."""
    return ("api",) if count == 1 else tuple(f"api-{number}" for number in range(1, count + 1))


def api_program(name: str, folder: DataFolder, environment: Mapping[str, str], listener: int) -> Program:
    """An API process, which accepts from an inherited listening socket; several may share one."""
    command = (sys.executable, "-m", "api", "--fd", str(listener), "--grace", str(_DOWNLOADS))
    return Program(
        name,
        command,
        folder.log(name),
        environment,
        patience=timedelta(seconds=_DOWNLOADS + 10),
        inherited=(listener,),
        announces=True,
    )


def generation_program(folder: DataFolder, environment: Mapping[str, str]) -> Program:
    """The worker that holds the models."""
    command = (sys.executable, "-m", "worker.gpu")
    return Program("generation", command, folder.log("generation"), environment, patience=_BATCH)


def migration_program(folder: DataFolder, environment: Mapping[str, str]) -> Program:
    """Brings the database to the schema of the code that lies here now."""
    command = (sys.executable, "-m", "alembic", "-c", str(_ROOT / "alembic.ini"), "upgrade", "head")
    return Program("migration", command, folder.log("migration"), environment)


def upkeep_program(folder: DataFolder, environment: Mapping[str, str]) -> Program:
    """The worker for what is periodic."""
    return Program("upkeep", (sys.executable, "-m", "worker.cpu"), folder.log("upkeep"), environment)


def with_our_packages(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment in which a child imports the packages that we run, whatever lies in its folder."""
    path = environment.get("PYTHONPATH")
    return {
        **environment,
        "PYTHONPATH": f"{_ROOT}:{path}" if path else str(_ROOT),
        "PYTHONSAFEPATH": "1",
    }


def with_metrics(environment: Mapping[str, str], port: int | None, after: int = 0) -> dict[str, str]:
    """The environment in which a worker shows its figures `after` a port, or nowhere."""
    kept = {name: value for name, value in environment.items() if name != "GENEQUEUE_METRICS_PORT"}
    return kept if port is None else {**kept, "GENEQUEUE_METRICS_PORT": str(port + after)}


def local_url(host: str, port: int) -> str:
    """Where a client on this machine finds an API that listens on `host`."""
    name = {"0.0.0.0": LOCALHOST, "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{name}:{port}"


def api_is_ready(url: str) -> bool:
    """Whether the API says that it and what it needs are ready."""
    try:
        return httpx.get(f"{url}/health/ready", timeout=5, trust_env=False).status_code == HTTPStatus.OK
    except httpx.TransportError:
        return False


def worker_is_alive(engine: Engine, pid: int) -> bool:
    """Whether the generation worker of that process id was heard of lately."""
    try:
        with transaction(engine) as session:
            return any(worker.pid == pid for worker in session.scalars(live_workers(_HEARD_OF)))
    except DatabaseUnavailable:
        return False
