"""Names are asked for in threads of their own, so many at most; addresses are nobody's question."""

from __future__ import annotations

import asyncio
import socket

import pytest

from worker.webhooks.resolving import SystemResolver


def test_this_machine_knows_itself_as_often_as_it_is_asked() -> None:
    resolve = SystemResolver(most=1)
    for _ in range(3):
        assert {"127.0.0.1", "::1"} & set(asyncio.run(resolve("localhost", 443)))


def test_a_name_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(socket.gaierror):
        asyncio.run(SystemResolver()("no-such-name.invalid", 443))


def test_an_address_is_its_own_and_asks_nobody() -> None:
    busy = SystemResolver(most=0)
    assert asyncio.run(busy("192.0.2.7", 443)) == ["192.0.2.7"]
    with pytest.raises(OSError, match="too many names"):
        asyncio.run(busy("localhost", 443))
