"""A customer of a machine: submits, waits, fetches, over one open connection."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from shared.jobs.artifacts import ArtifactState
from shared.jobs.states import FINAL_JOB_STATES, JobState
from tests.support.machine import Machine

_UNDER_WAY = {ArtifactState.QUEUED, ArtifactState.RUNNING}


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer that was read and thrown away: seconds to its first byte and to its last, and its length."""

    first: float
    total: float
    bytes: int


class Customer:
    """Asks one model of a server, with a key of its own."""

    def __init__(self, http: httpx.Client, model: str) -> None:
        self._http, self._model = http, model

    def submit(self, query: dict[str, Any]) -> str:
        """The id of a query that was accepted."""
        answer = self._http.post(f"/api/models/{self._model}/predict", json=query)
        assert answer.status_code == HTTPStatus.ACCEPTED, answer.text
        return str(answer.json()["modelQueryId"])

    def ended(self, job_id: str) -> dict[str, Any]:
        """Everything public about a query, once it is ready."""
        while True:
            state: dict[str, Any] = self._http.get(f"/api/model-queries/{job_id}", params={"wait": 30}).json()
            if state["status"] in FINAL_JOB_STATES:
                assert state["status"] == JobState.READY, state
                return state

    def await_files(self, job_id: str) -> float:
        """Wait until nothing is being made of a result any more; the seconds."""
        began = time.perf_counter()
        while any(
            file["state"] in _UNDER_WAY
            for file in self._http.get(f"/api/model-queries/{job_id}/artifacts").json()["artifacts"]
        ):
            time.sleep(0.05)
        return time.perf_counter() - began

    def fetch(self, job_id: str, *, encoding: str = "identity", **wanted: str) -> Fetched:
        """A result, in the form and with the selection that are wanted; a file is waited for."""
        began = time.perf_counter()
        while (fetched := self._read(job_id, encoding, wanted, began)) is None:
            pass
        return fetched

    def _read(self, job_id: str, encoding: str, wanted: Mapping[str, str], began: float) -> Fetched | None:
        headers, length, first = {"Accept-Encoding": encoding, "Prefer": "wait=60"}, 0, 0.0
        path = f"/api/model-queries/{job_id}/result"
        with self._http.stream("GET", path, params=wanted, headers=headers) as answer:
            if answer.status_code == HTTPStatus.ACCEPTED:
                return None
            assert answer.status_code == HTTPStatus.OK, answer.read()
            for piece in answer.iter_raw():
                first = first or time.perf_counter() - began
                length += len(piece)
        return Fetched(first, time.perf_counter() - began, length)


@contextmanager
def served(models_dir: Path | None = None, model: str = "gem-1-bulk") -> Iterator[tuple[Machine, Customer]]:
    """A machine in a temporary folder, with its own models or those of `models_dir`, and its customer."""
    settings = {"GENEQUEUE_MODELS_DIR": str(models_dir)} if models_dir else {}
    with TemporaryDirectory(prefix="genequeue-bench-") as name:
        Path(name).chmod(0o711)  # Where we are root, Postgres is another user.
        with Machine(Path(name, "data"), environment=settings) as machine:
            headers = {"Authorization": f"Bearer {machine.key}"}
            with httpx.Client(base_url=machine.url, headers=headers, timeout=600) as http:
                yield machine, Customer(http, model)


def seconds_in_service(state: dict[str, Any]) -> float:
    """From saved to ready, by the server's own clock: finer than any polling."""
    saved, ready = (datetime.fromisoformat(state[name]) for name in ("created_at", "finished_at"))
    return (ready - saved).total_seconds()
