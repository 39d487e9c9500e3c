"""Many clients that send the same request again and again, as cheaply as can be: one thread, plain sockets.

Knows HTTP/1.1 as far as answers with a Content-Length go.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Letter:
    """A POST: where to, and its whole text."""

    host: str
    port: int
    text: bytes

    @classmethod
    def post(cls, url: str, headers: Mapping[str, str], body: bytes) -> Letter:
        """A POST of `body` as JSON."""
        where = urlsplit(url)
        lines = [
            f"POST {where.path} HTTP/1.1",
            f"Host: {where.netloc}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        head = "\r\n".join(lines).encode() + b"\r\n\r\n"
        return cls(where.hostname or "", where.port or 80, head + body)


@dataclass(slots=True)
class Tally:
    """What came back: how long each answer took in milliseconds, how many of each status, and in how long."""

    milliseconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.milliseconds) / self.seconds


def send(letter: Letter, clients: int, *, seconds: float | None = None, times: int | None = None) -> Tally:
    """Have so many clients send it, each again as soon as it is answered: so long, or so often in all."""
    return asyncio.run(_send(letter, clients, seconds, times))


async def _send(letter: Letter, clients: int, seconds: float | None, times: int | None) -> Tally:
    tally, began = Tally(), time.perf_counter()
    turns = count() if times is None else iter(range(times))

    def more() -> bool:
        in_time = seconds is None or time.perf_counter() < began + seconds
        return in_time and next(turns, None) is not None

    await asyncio.gather(*(_one(letter, tally, more) for _ in range(clients)))
    tally.seconds = time.perf_counter() - began
    return tally


async def _one(letter: Letter, tally: Tally, more: Callable[[], bool]) -> None:
    reader, writer = await asyncio.open_connection(letter.host, letter.port)
    while more():
        began = time.perf_counter()
        writer.write(letter.text)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(_length(head))
        tally.milliseconds.append(1e3 * (time.perf_counter() - began))
        tally.statuses[int(head[9:12])] += 1
    writer.close()
    await writer.wait_closed()


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise ValueError(f"An answer without a Content-Length: {head!r}")
