"""A name with several addresses: one that says nothing leaves time for the next."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import pytest

from shared.webhooks.destinations import Rules
from tests.support.receivers import receiver
from worker.webhooks.sending import CONNECT, Sender

DEAD, ALIVE = "127.0.0.3", "127.0.0.1"


async def both(host: str, port: int) -> Sequence[str]:
    return [DEAD, ALIVE]


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """Listens, and is so full of connections that it takes no more: whoever connects waits."""
    with ExitStack() as opened:
        listener = opened.enter_context(socket.create_server((DEAD, 0), backlog=0))
        for _ in range(4):
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener


def test_an_address_that_takes_no_connection_leaves_half_of_the_time_to_the_next(
    silent: socket.socket,
) -> None:
    port = silent.getsockname()[1]
    with receiver(port=port) as lab:
        sender = Sender(Rules.read(["127.0.0.0/8"]), both)
        attempt = asyncio.run(sender.send(f"http://hooks.example.org:{port}/hook", {}, b"{}"))
    assert attempt.answer.status == 204, attempt.error
    assert len(lab.requests) == 1
    assert CONNECT / 2 <= attempt.took < CONNECT
