"""The API as the commands call it: one HTTP client, and errors as sentences. Knows no file formats."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from shared.errors import Fault, GeneQueueError, InvalidInput

ARROW = "application/vnd.apache.arrow.stream"
FINAL = {"ready", "failed", "cancelled", "expired"}
_PATIENCE_SECONDS = 60.0


class RequestFailed(GeneQueueError):
    """The server refused, or did not answer; the text says which and what to do."""


@dataclass(frozen=True, slots=True)
class Client:
    """The API at `url`, with a key or without one."""

    url: str
    key: str | None = None

    def get(self, path: str, **parameters: Any) -> Any:
        """The JSON of a GET. Raises RequestFailed, or InvalidInput with the server's list of faults."""
        return self._call("GET", path, params=parameters or None).json()

    def post(self, path: str, body: Any) -> Any:
        """The JSON of a POST. Raises as `get` does."""
        return self._call("POST", path, json=body).json()

    def watch(self, job_id: str, every: float = 0.25) -> Iterator[dict[str, Any]]:
        """The job's public state, again and again until it is final.

        A server that is away for a minute, for a restart say, loses nothing. Raises RequestFailed after that.
        """
        last_answer = time.monotonic()
        while True:
            try:
                state: dict[str, Any] = self.get(f"/api/model-queries/{job_id}")
            except RequestFailed:
                if time.monotonic() - last_answer > _PATIENCE_SECONDS:
                    raise
            else:
                last_answer = time.monotonic()
                yield state
                if state["status"] in FINAL:
                    return
            time.sleep(every)

    @contextmanager
    def stream(self, path: str, accept: str) -> Iterator[httpx.Response]:
        """A long answer, read as it comes."""
        headers = {**self._headers(), "Accept": accept}
        with (
            self._speaking(),
            httpx.stream("GET", self._address(path), headers=headers, timeout=600) as response,
        ):
            if response.is_error:
                response.read()
                raise _refusal(response)
            yield response

    def _call(self, method: str, path: str, **options: Any) -> httpx.Response:
        with self._speaking():
            response = httpx.request(
                method, self._address(path), headers=self._headers(), timeout=60, **options
            )
        if response.is_error:
            raise _refusal(response)
        return response

    def _address(self, path: str) -> str:
        return self.url.rstrip("/") + path

    def _headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        try:
            yield
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise RequestFailed(
                f"{self.url} does not answer ({error}). Is `genequeue up` running, and is the URL right? "
                "Name another with --url or GENEQUEUE_URL."
            ) from error


def _refusal(response: httpx.Response) -> GeneQueueError:
    try:
        body = response.json()
        sentence = str(body["error"])
        faults = tuple(Fault(fault["path"], fault["message"]) for fault in body.get("errors", ()))
    except (ValueError, KeyError, TypeError):
        return RequestFailed(f"The server answered {response.status_code} without saying why.")
    if response.status_code in {400, 413, 422}:
        return InvalidInput(sentence, faults)
    if response.status_code == 401:
        return RequestFailed(f"{sentence} Name a key with --key or GENEQUEUE_API_KEY.")
    return RequestFailed(sentence)
