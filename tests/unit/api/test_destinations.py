"""Whether a URL may be told anything, asked of a resolver of the test's own."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Sequence
from datetime import timedelta

import pytest

from api.services.destinations import Destinations, system_resolver
from shared.errors import DestinationRefused
from shared.webhooks.destinations import Rules

URL = "https://lab.example.org/hook"


def check(resolve: object, url: str = URL, rules: Rules | None = None, **options: object) -> None:
    destinations = Destinations(rules or Rules(), resolve, **options)  # type: ignore[arg-type]
    try:
        asyncio.run(destinations.check(url))
    finally:
        destinations.close()


def at(*addresses: str) -> object:
    return lambda *_: addresses


def failing(number: int) -> object:
    def resolve(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(number, "said the resolver")

    return resolve


def test_a_name_with_public_addresses_is_good() -> None:
    check(at("1.1.1.1", "2606:4700::1111"))


def test_one_private_address_among_public_ones_is_refused_with_the_remedy() -> None:
    with pytest.raises(DestinationRefused, match="GENEQUEUE_WEBHOOK_ALLOWED_NETWORKS"):
        check(at("1.1.1.1", "169.254.169.254"))
    check(at("1.1.1.1", "10.0.0.1"), rules=Rules.read(["10.0.0.0/8"]))


def test_a_name_that_does_not_exist_is_refused() -> None:
    with pytest.raises(DestinationRefused, match=r"no host lab\.example\.org"):
        check(failing(socket.EAI_NONAME))


def test_a_resolver_that_is_away_is_no_fault_of_the_url() -> None:
    check(failing(socket.EAI_AGAIN))


def test_a_resolver_that_hangs_is_no_fault_of_the_url() -> None:
    over = threading.Event()

    def hang(host: str, port: int) -> Sequence[str]:
        over.wait(60)
        return ["10.0.0.1"]  # for which whoever waited would refuse the URL

    check(hang, patience=timedelta(seconds=0.05))
    over.set()


def test_lookups_that_hang_hold_up_no_other_thread_of_the_process() -> None:
    over = threading.Event()

    async def flood() -> None:
        destinations = Destinations(Rules(), lambda *_: over.wait() and ["1.1.1.1"], timedelta(minutes=3))
        checks = asyncio.gather(*(destinations.check(URL) for _ in range(50)))
        await asyncio.sleep(0)  # all are asked for now, and more than a loop has threads of its own
        try:
            async with asyncio.timeout(60):
                await asyncio.to_thread(lambda: None)
            assert not checks.done()
        finally:
            over.set()
            await checks
            destinations.close()

    asyncio.run(flood())


def test_the_resolver_of_this_machine_knows_itself() -> None:
    assert {"127.0.0.1", "::1"} & set(system_resolver("localhost", 443))
    with pytest.raises(DestinationRefused):
        check(system_resolver, "https://localhost/hook")
