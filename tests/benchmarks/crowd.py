"""Many clients that ask the same again and again, as cheaply as can be: one thread, plain sockets.

Knows as much of HTTP/1.1 as the servers that are measured use.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Self
from urllib.parse import urlsplit

_LARGEST_HEAD = 1 << 20


@dataclass(frozen=True, slots=True)
class Letter:
    """A request: where to, and its whole text."""

    host: str
    port: int
    text: bytes

    @classmethod
    def post(cls, url: str, headers: Mapping[str, str], body: bytes) -> Self:
        """A POST of `body` as JSON."""
        more = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        return cls._of("POST", url, {**more, **headers}, body)

    @classmethod
    def get(cls, url: str, headers: Mapping[str, str]) -> Self:
        """A GET."""
        return cls._of("GET", url, headers, b"")

    @classmethod
    def _of(cls, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Self:
        where = urlsplit(url)
        path = f"{where.path}?{where.query}" if where.query else where.path
        named = {"Host": where.netloc, **headers}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items())]
        head = "\r\n".join(lines).encode() + b"\r\n\r\n"
        return cls(where.hostname or "", where.port or 80, head + body)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; headers by their names in lower case."""

    status: int
    headers: Mapping[bytes, bytes]
    body: bytes


class Caller:
    """One client with one open connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def ask(self, letter: Letter) -> Answer:
        """Send it and read its answer whole."""
        self._writer.write(letter.text)
        head = await self._reader.readuntil(b"\r\n\r\n")
        first, *lines = head.rstrip().split(b"\r\n")
        pairs = (line.partition(b":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        return Answer(int(first[9:12]), headers, await self._body(headers))

    async def _body(self, headers: Mapping[bytes, bytes]) -> bytes:
        if headers.get(b"transfer-encoding") != b"chunked":
            return await self._reader.readexactly(int(headers.get(b"content-length", b"0")))
        pieces = []
        while length := int(await self._reader.readline(), 16):
            pieces.append(await self._reader.readexactly(length))
            await self._reader.readline()
        await self._reader.readline()
        return b"".join(pieces)


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


# What a client does once; the status that its last answer had.
Errand = Callable[[Caller], Awaitable[int]]


def send(letter: Letter, clients: int, *, seconds: float | None = None, times: int | None = None) -> Tally:
    """Have so many clients send it, each again as soon as it is answered: so long, or so often in all."""

    async def once(caller: Caller) -> int:
        return (await caller.ask(letter)).status

    return run(once, letter, clients, seconds=seconds, times=times)


def run(
    errand: Errand, place: Letter, clients: int, *, seconds: float | None = None, times: int | None = None
) -> Tally:
    """Have so many clients run an errand where `place` goes to, as `send` does."""
    return asyncio.run(_run(errand, place, clients, _turns(seconds, times)))


def _turns(seconds: float | None, times: int | None) -> Callable[[], bool]:
    began, turns = time.perf_counter(), count() if times is None else iter(range(times))

    def more() -> bool:
        in_time = seconds is None or time.perf_counter() < began + seconds
        return in_time and next(turns, None) is not None

    return more


async def _run(errand: Errand, place: Letter, clients: int, more: Callable[[], bool]) -> Tally:
    tally, began = Tally(), time.perf_counter()
    await asyncio.gather(*(_one(errand, place, tally, more) for _ in range(clients)))
    tally.seconds = time.perf_counter() - began
    return tally


async def _one(errand: Errand, place: Letter, tally: Tally, more: Callable[[], bool]) -> None:
    reader, writer = await asyncio.open_connection(place.host, place.port, limit=_LARGEST_HEAD)
    caller = Caller(reader, writer)
    while more():
        began = time.perf_counter()
        status = await errand(caller)
        tally.milliseconds.append(1e3 * (time.perf_counter() - began))
        tally.statuses[status] += 1
    writer.close()
    await writer.wait_closed()
