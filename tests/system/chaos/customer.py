"""A careful client of two API processes: it asks again, at the other one too, until it is answered."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from tests.system.chaos.ledger import Accepted, Ledger
from tests.system.chaos.questions import Answer, Question, digest

ARROW = "application/vnd.apache.arrow.stream"
# What a client may ask again after: the server says itself that it cannot answer now.
_ASK_AGAIN = frozenset({429, 502, 503, 504})
_PATIENCE_SECONDS = 60.0
_FINAL = frozenset({"ready", "failed"})


class StormOver(Exception):
    """The storm ended while a customer still waited; the checker looks after the job."""


@dataclass(frozen=True, slots=True)
class Town:
    """What all customers share: the APIs, the book, the undisturbed answers, the end of the storm."""

    urls: Sequence[str]
    ledger: Ledger
    answers: Mapping[str, Answer]
    over: threading.Event


class Customer:
    """One customer; for one thread."""

    def __init__(
        self,
        town: Town,
        key: str,
        chance: random.Random,
    ) -> None:
        self.urls, self.ledger, self.answers, self.over = town.urls, town.ledger, town.answers, town.over
        self.key, self.chance = key, chance
        self._http = httpx.Client(timeout=15, headers={"Authorization": f"Bearer {key}"})

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One answer that is no failure of a server. Raises StormOver; a minute without one is a breach."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            response = self._try(method, path, **options)
            if response is not None:
                return response
            self.pause(0.3)
        self.ledger.breach("somebody answers within a minute", f"{method} {path}")
        raise StormOver

    def submit(self, question: Question) -> Accepted:
        """Have a question accepted. Raises StormOver."""
        response = self.ask("POST", f"/api/models/{question.model_id}/predict", json=dict(question.body))
        if response.status_code != 202:
            self.ledger.breach("a good query is accepted", f"{question.name}: {response.text[:300]}")
            raise StormOver
        job = Accepted(response.json()["modelQueryId"], question, self.key)
        self.ledger.accept(job)
        return job

    def status(self, job: Accepted) -> dict[str, Any]:
        """What the public clients poll. Raises StormOver."""
        response = self.ask("GET", f"/api/model-queries/{job.job_id}/status")
        if response.status_code != 200:
            self.ledger.breach("an accepted job is never unknown", f"{job.job_id}: {response.text[:300]}")
            raise StormOver
        state: dict[str, Any] = response.json()
        return state

    def wait(self, job: Accepted, every: float = 0.2) -> dict[str, Any]:
        """Poll until the job is over. Raises StormOver."""
        while (state := self.status(job))["status"] not in _FINAL:
            self.pause(every)
        if state["status"] != "ready":
            self.ledger.breach("a good query gets its result", f"{job.job_id}: {state}")
            raise StormOver
        return state

    def fetch(self, job: Accepted) -> bytes:
        """The result's JSON of a ready job, compared with the undisturbed one. Raises StormOver."""
        content = self.ask("GET", f"/api/model-queries/{job.job_id}/result?format=json").content
        if digest(content) != self.answers[job.question.name].json_sha256:
            self.ledger.breach("a result equals the undisturbed one", f"{job.job_id}: {content[:200]!r}")
        return content

    def pause(self, seconds: float) -> None:
        """Wait. Raises StormOver."""
        if self.over.wait(seconds):
            raise StormOver

    def _try(self, method: str, path: str, **options: Any) -> httpx.Response | None:
        try:
            response = self._http.request(method, self.chance.choice(self.urls) + path, **options)
        except httpx.TransportError as error:
            self.ledger.saw(type(error).__name__)
            return None
        self.ledger.saw(response.status_code)
        if response.status_code == 500:
            self.ledger.breach("no answer is a 500", f"{method} {path}: {response.text[:300]}")
            return None
        return None if response.status_code in _ASK_AGAIN else response
