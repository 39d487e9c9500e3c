"""A name with several addresses: one that says nothing leaves time for the next."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta

import pytest

from shared.webhooks.destinations import Rules
from tests.support.receivers import Receiver, receiver
from worker.webhooks.sending import Sender

DEAD, ALIVE = "127.0.0.3", "127.0.0.1"
TIME = timedelta(seconds=12)  # half of it for the first address


async def both(host: str, port: int) -> Sequence[str]:
    return [DEAD, ALIVE]


@pytest.fixture
def lab() -> Iterator[Receiver]:
    """At its port the other address listens, so full of connections that it takes no more: they wait."""
    with ExitStack() as opened:
        made = opened.enter_context(receiver(host=ALIVE))
        listener = opened.enter_context(socket.create_server((DEAD, made.port), backlog=0))
        for _ in range(4):
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield made


def test_an_address_that_takes_no_connection_leaves_half_of_the_time_to_the_next(lab: Receiver) -> None:
    sender = Sender(Rules.read(["127.0.0.0/8"]), both, connect=TIME, total=5 * TIME)
    attempt = asyncio.run(sender.send(f"http://hooks.example.org:{lab.port}/hook", {}, b"{}"))
    assert attempt.answer.status == 204, attempt.error
    assert len(lab.requests) == 1
    assert TIME / 2 <= attempt.took < TIME
