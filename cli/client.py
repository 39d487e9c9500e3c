"""The API as the commands call it: one HTTP client, and errors as sentences. Knows no file formats."""

from __future__ import annotations

import time
from collections.abc import Iterator
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


class ServerAway(RequestFailed):
    """The server does not answer now, or says itself that it cannot; asking again may help."""

    retryable = True


@dataclass(frozen=True, slots=True)
class Client:
    """The API at `url`, with a key or without one."""

    url: str
    key: str | None = None

    def get(self, path: str, **parameters: Any) -> Any:
        """The JSON of a GET. Raises RequestFailed, or InvalidInput with the server's list of faults."""
        with self._connection() as http:
            return _checked(http.get(path, params=parameters or None)).json()

    def post(self, path: str, body: Any) -> Any:
        """The JSON of a POST. Raises as `get` does."""
        with self._connection() as http:
            return _checked(http.post(path, json=body)).json()

    def delete(self, path: str) -> None:
        """A DELETE. Raises as `get` does."""
        with self._connection() as http:
            _checked(http.delete(path))

    def watch(self, job_id: str, every: float = 0.25) -> Iterator[dict[str, Any]]:
        """The job's public state, again and again until it is final.

        A server that is away for a minute, for a restart say, loses nothing. Raises RequestFailed after that.
        """
        last_answer = time.monotonic()
        while True:
            try:
                with self._connection() as http:
                    for state in _states(http, job_id, every):
                        last_answer = time.monotonic()
                        yield state
                return
            except ServerAway:
                if time.monotonic() - last_answer > _PATIENCE_SECONDS:
                    raise
            time.sleep(every)

    @contextmanager
    def stream(self, path: str, accept: str, **headers: str) -> Iterator[httpx.Response]:
        """A long answer, read as it comes."""
        sent = {"Accept": accept, **headers}
        with self._connection() as http, http.stream("GET", path, headers=sent) as response:
            if response.is_error:
                response.read()
            yield _checked(response)

    @contextmanager
    def _connection(self) -> Iterator[httpx.Client]:
        headers = {"Accept": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        # A minute for the server to answer; a stream may pause for as long as its largest part takes.
        timeout = httpx.Timeout(60, read=600)
        try:
            with httpx.Client(base_url=self.url.rstrip("/"), headers=headers, timeout=timeout) as http:
                yield http
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise ServerAway(
                f"{self.url} does not answer ({error}). Is `genequeue up` running, and is the URL right? "
                "Name another with --url or GENEQUEUE_URL."
            ) from error


def _states(http: httpx.Client, job_id: str, every: float) -> Iterator[dict[str, Any]]:
    """The job's state until it is final, over one connection."""
    while True:
        state: dict[str, Any] = _checked(http.get(f"/api/model-queries/{job_id}")).json()
        yield state
        if state["status"] in FINAL:
            return
        time.sleep(every)


def _checked(response: httpx.Response) -> httpx.Response:
    if response.is_error:
        raise _refusal(response)
    return response


def _refusal(response: httpx.Response) -> GeneQueueError:
    try:
        body = response.json()
        sentence = str(body["error"])
        faults = tuple(Fault(fault["path"], fault["message"]) for fault in body.get("errors", ()))
    except (ValueError, KeyError, TypeError):
        sentence, faults = f"The server answered {response.status_code} without saying why.", ()
    if response.is_server_error:
        return ServerAway(sentence)
    if response.status_code in {400, 413, 422}:
        return InvalidInput(sentence, faults)
    if response.status_code == 401:
        return RequestFailed(f"{sentence} Name a key with --key or GENEQUEUE_API_KEY.")
    return RequestFailed(sentence)
