"""A receiver of webhooks on a real socket: it keeps what it was sent, and answers as it is told."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import orjson
from standardwebhooks import Webhook

from shared.webhooks.keys import Secret


@dataclass(frozen=True, slots=True)
class Request:
    """What came: when (seconds on the monotonic clock), the path, the headers in lower case, the bytes."""

    at: float
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """The webhook-id."""
        return self.headers["webhook-id"]

    def verified(self, secret: Secret) -> Any:
        """The payload, if the reference library says that the signature is right."""
        return Webhook(str(secret)).verify(self.body, self.headers)

    @property
    def payload(self) -> Any:
        """The payload, unverified."""
        return orjson.loads(self.body)


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered, after how many seconds."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    after: float = 0


class Receiver:
    """What came so far; `answer` says what each request is answered with."""

    def __init__(self, answer: Callable[[Request], Reply]) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self.connections = 0
        self.url = ""

    @property
    def port(self) -> int:
        """Where it listens."""
        return urlsplit(self.url).port or 0

    @property
    def kinds(self) -> list[str]:
        """The types of all that came, in the order of their coming."""
        return [request.payload["type"] for request in self.requests]


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    wbufsize = -1  # An answer goes out as one: whoever reads its head has its body.

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(time.monotonic(), self.path, headers, body)
        self.server.made.requests.append(request)
        reply = self.server.made.answer(request)
        time.sleep(reply.after)
        self.send_response(reply.status)
        for name, value in {"content-length": str(len(reply.body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, made: Receiver, address: tuple[str, int], tls: ssl.SSLContext | None) -> None:
        self.made, self._tls = made, tls
        super().__init__(address, _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        self.made.connections += 1
        return super().get_request()

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self._tls is None:
            super().finish_request(request, client_address)
            return
        # The handshake is the handler thread's: one that fails holds up nobody.
        with self._tls.wrap_socket(request, True) as secured:
            super().finish_request(secured, client_address)

    def handle_error(self, *_: object) -> None:
        """Whoever hangs up early is no error of ours."""


@contextmanager
def hanging_receiver() -> Iterator[Receiver]:
    """One that answers nothing until the end of the block."""
    over = threading.Event()

    def answer(_: Request) -> Reply:
        over.wait()
        return Reply()

    with receiver(answer) as made:
        try:
            yield made
        finally:
            over.set()


@contextmanager
def receiver(
    answer: Callable[[Request], Reply] = lambda _: Reply(),
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Receiver]:
    """A receiver on a free port of this machine, unless one is named; its URL ends in /hook."""
    made = Receiver(answer)
    with _Server(made, (host, port), tls) as server:
        made.url = f"{'https' if tls else 'http'}://{host}:{server.server_port}/hook"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()
