"""Row 45: whatever is done with secrets, no process of ours logs one, not at debug level either."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from cli.machine.ports import free_ports
from cli.machine.services import api_is_ready
from shared.database.engines import sync_engine
from shared.webhooks.sealing import Seal
from tests.support.api import SECRET, new_key
from tests.support.processes import wait_until
from tests.support.receivers import Receiver, Reply, receiver
from tests.support.upkeep import environment_of, upkeep_worker

TOKEN = "a-token-that-a-receiver-put-into-its-url"
QUERY = {
    "sampling_strategy": "mean estimation",
    "inputs": [{"metadata": {"tissue_ontology_id": "UBERON:0002107"}, "num_samples": 1}],
}


@dataclass(frozen=True)
class Processes:
    """An API and an upkeep worker that log all that they can."""

    http: httpx.Client
    key: str
    logs: tuple[Path, Path]

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """What is answered."""
        return self.http.request(method, path, **options).json()

    @property
    def logged(self) -> str:
        """Everything so far."""
        return "".join(log.read_text() for log in self.logs)


@contextmanager
def api_process(environment: dict[str, str], log: Path) -> Iterator[str]:
    """An API in a process of its own; its URL."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "api", "--port", str(port)]
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        try:
            wait_until(lambda: api_is_ready(url), 120)
            yield url
        finally:
            process.terminate()
            process.wait(90)


@pytest.fixture
def processes(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Processes]:
    environment = environment_of(database_url, redis_url, tmp_path, LOG_LEVEL="debug")
    engine = sync_engine(database_url)
    key = new_key(engine, "default")
    engine.dispose()
    logs = tmp_path / "api.log", tmp_path / "upkeep.log"
    headers = {"Authorization": f"Bearer {key}"}
    with upkeep_worker(environment, logs[1]), api_process(environment, logs[0]) as url:
        with httpx.Client(base_url=url, headers=headers, timeout=60) as http:
            yield Processes(http, key, logs)


def shown_secrets(ours: Processes, lab: Receiver) -> list[str]:
    """Every secret that an answer may show, each of them used, after answers of every kind."""
    fields = {"url": lab.url, "asymmetric": True}
    made = ours.ask("POST", "/api/webhook-endpoints", json=fields, headers={"Idempotency-Key": "once"})
    again = ours.ask("POST", "/api/webhook-endpoints", json=fields, headers={"Idempotency-Key": "once"})
    wait_until(lambda: len(lab.requests) == 2)
    path = f"/api/webhook-endpoints/{made['id']}"
    rotated = ours.ask("POST", f"{path}/rotate-secret")
    of_workspace = ours.ask("GET", "/api/webhook-secret")
    new = ours.ask("POST", "/api/webhook-secret/rotate")
    ours.ask("POST", "/api/webhook-endpoints", json={"url": lab.url, "secret": made["secret"]})
    ours.ask("PATCH", path, json={"secret": rotated["secret"]})
    return [one["secret"] for one in (made, again, rotated, of_workspace, new)]


def test_no_log_of_any_process_holds_a_secret_at_debug_level(processes: Processes) -> None:
    with receiver(lambda request: Reply(500 if "/bad" in request.path else 200)) as lab:
        secrets = shown_secrets(processes, lab)
        before = len(lab.requests)
        for url in (lab.url + "/named", lab.url + "/bad", "https://127.0.0.1.nip.invalid/x"):
            query = {**QUERY, "webhook_url": f"{url}?token={TOKEN}"}
            processes.ask("POST", "/api/models/gem-1-bulk/predict", json=query)
        wait_until(lambda: len(lab.requests) >= before + 6)
        processes.ask("POST", "/api/webhook-endpoints", json={"url": f"http://user:{TOKEN}@127.0.0.1/"})
        wait_until(lambda: processes.logged.count("webhook.attempted") >= len(lab.requests))
    logged = processes.logged
    assert '"level": "debug"' in logged
    private = str(Seal(SECRET.encode()).signing_key)
    for secret in (*secrets, processes.key, SECRET, private, TOKEN):
        for form in (secret, secret.partition("_")[2] or secret):
            assert form not in logged, f"{form[:8]}... is logged"
    signatures = {request.headers["webhook-signature"] for request in lab.requests}
    assert not [one for one in signatures if one in logged]
    for request in lab.requests:
        download = request.payload["data"].get("links", {}).get("download")
        assert download is None or urlsplit(download).query not in logged
