"""Connections that go where the rules allow: a name is resolved once, what was checked is connected to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

import httpcore

from shared.errors import DestinationRefused
from shared.webhooks.destinations import Rules, Target
from worker.webhooks.resolving import Resolver


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
        """A connection; its addresses share the time, so that a dead one leaves some to the next.

        Raises DestinationRefused, OSError where there is no such name, httpcore's errors.
        """
        addresses = await self._resolve(self._target.host, self._target.port)
        self._rules.check(self._target, addresses)
        error: Exception = DestinationRefused(f"{host} has no address.")
        until = time.monotonic() + (timeout or 0.0)
        for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            share = timeout and max(0.0, until - time.monotonic()) / left
            try:
                return await self._inner.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as refused:
                error = refused
        raise error

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
