"""A receiver of webhooks that costs little: it notes when the first byte of each came."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import orjson

_ANSWERS = {
    status: f"HTTP/1.1 {status} -\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode()
    for status in (204, 500)
}
_END = b"\r\n\r\n"


@dataclass(slots=True)
class PostBox:
    """What came: the seconds from each event to its first byte here, by the clock of this machine."""

    port: int = 0
    lags: list[float] = field(default_factory=list)
    first_at: float = 0.0
    last_at: float = 0.0
    failed: int = 0

    def url(self, kind: str, name: object) -> str:
        """Where one endpoint is: `good` is answered 204, `bad` 500, `hung` never."""
        return f"http://127.0.0.1:{self.port}/{kind}/{name}"

    def forget(self) -> None:
        """Begin anew."""
        self.lags, self.first_at, self.failed = [], 0.0, 0

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request."""
        try:
            first, at = await reader.read(1), time.time()
            head = first + await reader.readuntil(_END)
            kind = head.split(b"/", 2)[1]
            if kind == b"hung":
                await reader.read()  # until the sender hangs up
                return
            body = await reader.readexactly(_length(head))
            self._note(kind == b"good", at, body)
            writer.write(_ANSWERS[204 if kind == b"good" else 500])
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def _note(self, is_good: bool, at: float, body: bytes) -> None:
        self.failed += not is_good
        if is_good:
            happened = datetime.fromisoformat(orjson.loads(body)["timestamp"])
            self.lags.append(at - happened.timestamp())
            self.first_at, self.last_at = self.first_at or at, at


def _length(head: bytes) -> int:
    (line,) = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return int(line.partition(b":")[2])


@contextmanager
def post_box() -> Iterator[PostBox]:
    """A post box on a free port of this machine, in a thread of its own."""
    box, loop = PostBox(), asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(box.take, "127.0.0.1", 0, backlog=1_024))
    box.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, name="post box", daemon=True)
    thread.start()
    try:
        yield box
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.run_until_complete(_cancel_all())
        loop.close()


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
