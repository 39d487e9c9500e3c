"""What becomes of each request that `genequeue webhooks listen` gets: verified, passed on, shown, kept."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from rich.console import Console
from rich.text import Text

from cli.webhooks.line import event_line, forwarded
from cli.webhooks.receiver import Reply
from cli.webhooks.request import WEBHOOK_HEADERS, Request
from shared.errors import InvalidInput, SignatureRejected
from shared.webhooks.keys import Verifier
from shared.webhooks.signatures import ID, verify

_REGISTERED_WITHIN = 60.0  # seconds: the first request may come before the answer that holds the secret
_ANSWER_WITHIN = 14.0  # seconds: the sender waits for 15
_PASSED_BACK = ("content-type", "retry-after")


@dataclass(frozen=True, slots=True)
class Forward:
    """A receiver of somebody's own, which gets the bytes as they came."""

    url: str

    @classmethod
    def read(cls, url: str) -> Forward:
        """A URL as it is typed: `localhost:3000/hook` is http. Raises InvalidInput."""
        whole = url if "://" in url else f"http://{url}"
        try:
            parts = urlsplit(whole)
            httpx.URL(whole)
        except (ValueError, httpx.InvalidURL) as error:
            raise InvalidInput(f"--forward {url} is no URL: {error}.") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise InvalidInput(f"--forward {url} is no URL. Write it as http://127.0.0.1:3000/hook.")
        return cls(whole)

    def send(self, request: Request) -> tuple[Reply, Text]:
        """What it answered, for the sender to know, and the same for a person. 502 where nothing came."""
        headers = {name: request.headers[name] for name in WEBHOOK_HEADERS if name in request.headers}
        began = time.monotonic()
        try:
            # No proxy of the environment: what is tried out is mostly on this machine.
            with httpx.Client(timeout=_ANSWER_WITHIN, trust_env=False) as http:
                answer = http.post(self.url, content=request.body, headers=headers)
        except httpx.HTTPError as error:
            said = f"{self.url} does not answer: {error}"
            return Reply(502, body=said.encode()), forwarded(None, self.url, 0)
        passed_back = {name: answer.headers[name] for name in _PASSED_BACK if name in answer.headers}
        reply = Reply(answer.status_code, passed_back, answer.content)
        return reply, forwarded(answer.status_code, self.url, time.monotonic() - began)


@dataclass(frozen=True, slots=True)
class Inbox:
    """Answers requests; `came` is set with the first that is genuine."""

    console: Console
    forward: Forward | None = None
    folder: Path | None = None
    verifier: Future[Verifier] = field(default_factory=Future)
    came: threading.Event = field(default_factory=threading.Event)
    _seen: set[str] = field(default_factory=set)

    def answer(self, request: Request) -> Reply:
        """What the other receiver says; 204 where there is none, 401 for what is not genuine."""
        verifier = self.verifier.result(_REGISTERED_WITHIN)
        try:
            message = verify(request.body, request.headers, verifier)
        except SignatureRejected as refused:
            self.warn(f"{_name(request)} was refused: {refused}")
            return Reply(401, body=str(refused).encode())
        again = message.id in self._seen
        self._seen.add(message.id)
        line, reply = event_line(request, datetime.now().astimezone(), again=again), Reply(204)
        if self.forward:
            reply, told = self.forward.send(request)
            line.append_text(told)
        self._keep(request)  # What is shown is kept, whenever this command is ended.
        self.console.print(line, soft_wrap=True)
        self.came.set()
        return reply

    def warn(self, text: str) -> None:
        """A line that stands out."""
        self.console.print(Text.assemble(("Warning: ", "bold yellow"), text), soft_wrap=True)

    def _keep(self, request: Request) -> None:
        if self.folder is None:
            return
        try:
            request.save(self.folder)
        except OSError as error:
            self.warn(f"The request was not saved in {self.folder}: {error.strerror}.")


def _name(request: Request) -> str:
    """The id of a request that anybody may have sent: it is shown where it is a word."""
    given = request.headers.get(ID, "")
    return given if given.isprintable() and 0 < len(given) <= 80 else "A request"
