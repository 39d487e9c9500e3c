"""Connections that go where the rules allow: a name is resolved once, what was checked is connected to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import httpcore

from shared.errors import DestinationRefused
from shared.webhooks.destinations import Rules, Target


class Resolver(Protocol):
    """Where a name is."""

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Its addresses, the preferred one first. Raises OSError."""


async def system_resolver(host: str, port: int) -> Sequence[str]:
    """What this machine's resolver says."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Connects to one target, at an address that was checked a moment before; TLS still verifies its name."""

    def __init__(self, target: Target, rules: Rules, resolve: Resolver) -> None:
        self._target, self._rules, self._resolve = target, rules, resolve
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection. Raises DestinationRefused, OSError where there is no such name, httpcore's errors."""
        addresses = await self._resolve(self._target.host, self._target.port)
        self._rules.check(self._target, addresses)
        error: Exception = DestinationRefused(f"{host} has no address.")
        for address in addresses:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as refused:
                error = refused
        raise error

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
