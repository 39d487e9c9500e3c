"""Postgres is killed and started again under clients that never retry: slow answers, and not one error."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from signal import SIGKILL
from tempfile import TemporaryDirectory

import httpx
import pytest

from cli.machine.postgres import Postgres, open_postgres
from cli.machine.process import Child, wait_until_ready
from shared.database.migrate import upgrade
from tests.support.api import Service, service, settings_for

CLIENTS, SECONDS_DOWN = 20, 3


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    with TemporaryDirectory(prefix="genequeue-tests-") as folder:
        Path(folder).chmod(0o711)  # Where we are root, Postgres is another user.
        yield open_postgres(Path(folder) / "postgres")


def start(server: Postgres) -> Child:
    child = Child(server.program(server.folder.parent / "postgres.log"))
    wait_until_ready(child, server.ready, timedelta(seconds=30))
    return child


def poll(api: Service, paths: list[str], until: threading.Event) -> list[int]:
    """The status codes of one client that asks without a pause, on connections of its own."""
    codes = []
    headers = {"Authorization": f"Bearer {api.key}"}
    with httpx.Client(base_url=api.url, headers=headers, timeout=30) as client:
        while not until.is_set():
            codes += [client.get(path).status_code for path in paths]
    return codes


def test_reads_ride_out_a_kill_and_a_restart_of_postgres(
    own_postgres: Postgres, redis_url: str, models_dir: Path, tmp_path: Path
) -> None:
    running = start(own_postgres)
    upgrade(own_postgres.url())
    settings = settings_for(
        database_url=own_postgres.url(),
        redis_url=redis_url,
        storage_url=f"file://{tmp_path}/objects",
        models_dir=models_dir,
    )
    try:
        with service(settings) as api, ThreadPoolExecutor(CLIENTS) as clients:
            job_id = api.finished(3)
            route = f"/api/model-queries/{job_id}"
            paths = [f"{route}/status", route, api.download_url(job_id).removeprefix(api.url)]
            over = threading.Event()
            polls = [clients.submit(poll, api, paths, over) for _ in range(CLIENTS)]
            time.sleep(1)
            running.send(SIGKILL)
            running.end()
            time.sleep(SECONDS_DOWN)
            own_postgres.wait_for_last_owner()
            running = start(own_postgres)
            time.sleep(2)
            over.set()
            codes = [code for answers in polls for code in answers.result()]
        assert set(codes) == {200}
        assert len(codes) > 3 * CLIENTS
    finally:
        running.stop()
