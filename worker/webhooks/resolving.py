"""Where a name is: asked for in a thread of its own, so that one that hangs keeps nobody else waiting."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import Protocol

# A name that nobody answers for keeps its thread for half a minute, whoever still waits for it.
MOST_LOOKUPS = 256


class Resolver(Protocol):
    """Where a name is."""

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Its addresses, the preferred one first. Raises OSError."""


class SystemResolver:
    """What this machine's resolver says. A loop's own few threads would soon all wait for names that hang."""

    def __init__(self, most: int = MOST_LOOKUPS) -> None:
        self._free = threading.BoundedSemaphore(most)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Its addresses; an address is its own. Raises OSError."""
        with suppress(ValueError):
            return [str(ip_address(host))]
        if not self._free.acquire(blocking=False):
            raise OSError("too many names are being asked for")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[str]] = loop.create_future()
        # A daemon: the process ends without it.
        threading.Thread(
            target=self._ask, args=(host, port, loop, answer), name="lookup", daemon=True
        ).start()
        return await answer

    def _ask(
        self, host: str, port: int, loop: asyncio.AbstractEventLoop, answer: asyncio.Future[list[str]]
    ) -> None:
        found: list[str] | Exception
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found = list(dict.fromkeys(str(entry[4][0]) for entry in entries))
        except (OSError, UnicodeError) as error:
            found = error
        finally:
            self._free.release()
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, answer, found)


def _settle(answer: asyncio.Future[list[str]], found: list[str] | Exception) -> None:
    if answer.done():
        return
    if isinstance(found, Exception):
        answer.set_exception(found)
    else:
        answer.set_result(found)
