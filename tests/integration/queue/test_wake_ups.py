"""Wake-ups on a real Valkey, and on brokers that are down or hung: a caller never waits for them."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from redis import Redis

from cli.machine.process import Child, wait_until_ready
from cli.machine.valkey import open_valkey
from shared.messages import WAKE_GENERATION, Queue
from shared.queue import WakeUps, celery_app
from tests.support.processes import wait_until


@contextmanager
def wake_ups(url: str) -> Iterator[WakeUps]:
    made = WakeUps(celery_app("test", url))
    try:
        yield made
    finally:
        made.close()


def waiting(url: str) -> int:
    with Redis.from_url(url) as client:
        return int(client.llen(str(Queue.GENERATION)))


def test_a_wake_up_lies_in_its_queue_soon_after_it_was_asked_for(redis_url: str) -> None:
    with wake_ups(redis_url) as sender:
        sender.ask(WAKE_GENERATION)
        wait_until(lambda: waiting(redis_url) > 0)
    assert waiting(redis_url) == 1


def test_many_askings_coalesce(redis_url: str) -> None:
    with wake_ups(redis_url) as sender:
        for _ in range(1000):
            sender.ask(WAKE_GENERATION)
        wait_until(lambda: waiting(redis_url) > 0)
    assert 1 <= waiting(redis_url) < 200


def test_wake_ups_that_nobody_hears_do_not_pile_up(redis_url: str) -> None:
    """Row 11: whoever comes back hears enough of them."""
    with wake_ups(redis_url) as sender:
        for _ in range(30):
            sender.ask(WAKE_GENERATION)
            time.sleep(0.02)
        wait_until(lambda: waiting(redis_url) > 0)
    assert 1 <= waiting(redis_url) < 16


@pytest.mark.parametrize("broker", ["down", "hung"])
def test_a_broker_that_is_away_costs_a_caller_nothing(broker: str) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if broker == "hung":
            listener.listen()  # Connects, and never answers.
        url = f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
        with wake_ups(url) as sender:
            began = time.perf_counter()
            for _ in range(300):
                sender.ask(WAKE_GENERATION)
                time.sleep(0.001)
            assert time.perf_counter() - began < 60, "each that waits for a hung broker waits for seconds"


def test_the_sender_outlives_a_broker_that_comes_back(tmp_path: Path) -> None:
    """A message may be lost with the broker; the sender is not."""
    tmp_path.chmod(0o711)
    server = open_valkey(tmp_path / "valkey")
    with wake_ups(server.url()) as sender:
        sender.ask(WAKE_GENERATION)
        time.sleep(1)
        child = Child(server.program(tmp_path / "valkey.log"))
        try:
            wait_until_ready(child, server.ready, timedelta(seconds=60))
            before = waiting(server.url())

            def asked_and_heard() -> bool:
                sender.ask(WAKE_GENERATION)
                return waiting(server.url()) > before

            wait_until(asked_and_heard)
        finally:
            child.stop()
