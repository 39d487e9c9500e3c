"""A small HTTP server on this machine that hands each POST to somebody. Knows nothing of webhooks."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from typing import Any

from cli.console import complain
from cli.webhooks.request import Request

_MOST_BYTES = 1 << 20
_PATIENCE_SECONDS = 30
_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Reply:
    """What a request is answered with."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


Answer = Callable[[Request], Reply]


@contextmanager
def receiving(listener: socket, answer: Answer) -> Iterator[None]:
    """While entered, every POST that comes to a listening socket is answered, each in a thread of its own."""
    with _Server(listener, answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(_LOOK_SECONDS,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, listener: socket, answer: Answer) -> None:
        super().__init__(listener.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket, self.answer = listener, answer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sentence, where socketserver prints a traceback; whoever hangs up early is no error of ours."""
        del request, client_address
        error = sys.exception()
        if not isinstance(error, ConnectionError | TimeoutError):
            complain(f"A request was not answered: {type(error).__name__}: {error}")


class _Handler(BaseHTTPRequestHandler):
    timeout = _PATIENCE_SECONDS
    server: _Server

    def do_POST(self) -> None:
        length = self.headers.get("content-length", "")
        if not length.isdecimal() or int(length) > _MOST_BYTES:
            self._send(Reply(413 if length.isdecimal() else 411))
            return
        body = self.rfile.read(int(length))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._send(self.server.answer(Request(headers, body)))

    def log_message(self, *_: object) -> None:
        """Nothing: whoever answers says what came."""

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.status not in {204, 304}:
            self.send_header("content-length", str(len(reply.body)))
        self.end_headers()
        if reply.status not in {204, 304}:
            self.wfile.write(reply.body)
