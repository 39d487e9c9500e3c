"""A careful client of two API processes: it asks again, at the other one too, until it is answered."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from tests.system.chaos.answers import Answer
from tests.system.chaos.ledger import Accepted, Ledger, Wish
from tests.system.chaos.questions import Question, digest

ARROW = "application/vnd.apache.arrow.stream"
NOTHING: Mapping[str, Any] = {}
OVER = frozenset({"ready", "failed", "cancelled", "expired"})
# What a client may ask again after: the server says itself that it cannot answer now.
ASK_AGAIN = frozenset({429, 502, 503, 504})
_PATIENCE_SECONDS = 120.0


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
    """One customer, whose name is in the metadata of all its jobs; for one thread."""

    def __init__(self, town: Town, key: str, chance: random.Random, name: str = "somebody") -> None:
        self.town, self.key, self.chance, self.name = town, key, chance, name
        self.ledger, self.answers, self.over = town.ledger, town.answers, town.over
        self.http = httpx.Client(timeout=30, headers={"Authorization": f"Bearer {key}"})

    def close(self) -> None:
        """Hang up."""
        self.http.close()

    def url(self) -> str:
        """One of the API processes."""
        return self.chance.choice(self.town.urls)

    def ask(self, method: str, path: str, again: Collection[int] = (), **options: Any) -> httpx.Response:
        """One answer that is no failure of a server, and none of `again`.

        Raises StormOver; two minutes without one are a breach.
        """
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            response = self._try(method, path, **options)
            if response is not None and response.status_code not in again:
                return response
            self.pause(0.3)
        self.ledger.breach("somebody answers within two minutes", f"{method} {path}")
        raise StormOver

    def query(self, question: Question, more: Mapping[str, Any] = NOTHING) -> dict[str, Any]:
        """The body of a question with further options, under this customer's name."""
        own = {"customer": self.name, **more.get("client_metadata", {})}
        return {**question.body, **more, "client_metadata": own}

    def submit(
        self, question: Question, more: Mapping[str, Any] = NOTHING, headers: Mapping[str, str] = NOTHING
    ) -> Accepted:
        """Have a question accepted. Raises StormOver."""
        path = f"/api/models/{question.model_id}/predict"
        response = self.ask("POST", path, json=self.query(question, more), headers=headers)
        return self.accepted(question, response)

    def accepted(self, question: Question, response: httpx.Response, *others: int) -> Accepted:
        """The job of a 202, or of `others`. Raises StormOver for any other answer, which is a breach."""
        if response.status_code not in {202, *others}:
            self.ledger.breach("a good query is accepted", f"{question.name}: {response.text[:300]}")
            raise StormOver
        job = Accepted(response.json()["modelQueryId"], question, self.key, self.name)
        self.ledger.accept(job)
        return job

    def status(self, job: Accepted) -> dict[str, Any]:
        """What the public clients poll. Raises StormOver."""
        return self._known(job, "/status")

    def state(self, job: Accepted) -> dict[str, Any]:
        """Everything about a job. Raises StormOver."""
        return self.noted(job, self._known(job, ""))

    def noted(self, job: Accepted, state: dict[str, Any]) -> dict[str, Any]:
        """A state that was seen, in the book if it is an end."""
        if state["status"] in OVER:
            self.ledger.over(job, state["status"])
        return state

    def wait(self, job: Accepted, every: float = 0.2) -> dict[str, Any]:
        """Poll until the job is ready. Raises StormOver."""
        while (state := self.status(job))["status"] not in OVER:
            self.pause(every)
        if state["status"] != "ready":
            self.ledger.breach("a good query gets its result", f"{job.job_id}: {state}")
            raise StormOver
        self.noted(job, state)
        return state

    def end(self, job: Accepted, every: float = 0.3) -> dict[str, Any]:
        """Poll until the job is over, whichever way. Raises StormOver."""
        while (state := self.state(job))["status"] not in OVER:
            self.pause(every)
        return state

    def fetch(self, job: Accepted) -> bytes:
        """The result's JSON of a ready job, compared with the undisturbed one. Raises StormOver."""
        content = self.ask("GET", f"/api/model-queries/{job.job_id}/result?format=json").content
        differs = digest(content) != self.answers[job.question.name].json_sha256
        if differs and job.job_id not in self.ledger.wishes(Wish.DELETE):
            self.ledger.breach("a result equals the undisturbed one", f"{job.job_id}: {content[:200]!r}")
        return content

    def cancel(self, job: Accepted) -> dict[str, Any]:
        """Ask for the job to be cancelled; the state that it has then, which is an end. Raises StormOver."""
        self.ledger.wish(job, Wish.CANCEL)
        response = self.ask("POST", f"/api/model-queries/{job.job_id}/cancel")
        if response.status_code != 200 or response.json()["status"] not in OVER:
            self.ledger.breach("a job can be cancelled", f"{job.job_id}: {response.text[:300]}")
            raise StormOver
        state: dict[str, Any] = response.json()
        return self.noted(job, state)

    def delete(self, job: Accepted) -> None:
        """Ask for the job to be deleted. Raises StormOver."""
        self.ledger.wish(job, Wish.DELETE)
        response = self.ask("DELETE", f"/api/model-queries/{job.job_id}")
        if response.status_code != 204:
            self.ledger.breach("a job can be deleted", f"{job.job_id}: {response.text[:300]}")
            raise StormOver

    def pause(self, seconds: float) -> None:
        """Wait. Raises StormOver."""
        if self.over.wait(seconds):
            raise StormOver

    def _known(self, job: Accepted, what: str) -> dict[str, Any]:
        response = self.ask("GET", f"/api/model-queries/{job.job_id}{what}")
        if response.status_code != 200:
            self.ledger.breach("an accepted job is never unknown", f"{job.job_id}: {response.text[:300]}")
            raise StormOver
        state: dict[str, Any] = response.json()
        return state

    def _try(self, method: str, path: str, **options: Any) -> httpx.Response | None:
        try:
            response = self.http.request(method, self.url() + path, **options)
        except httpx.TransportError as error:
            self.ledger.saw(type(error).__name__)
            return None
        self.ledger.saw(response.status_code)
        if response.status_code == 500:
            self.ledger.breach("no answer is a 500", f"{method} {path}: {response.text[:300]}")
            return None
        return None if response.status_code in ASK_AGAIN else response
