"""Row 41 on real sockets: nothing connects to where a webhook may not go, whatever a name resolves to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from shared.errors import DestinationRefused
from shared.webhooks.destinations import Rules
from tests.support.receivers import Receiver, Reply, receiver
from worker.webhooks.sending import Attempt, Sender

NAME = "hooks.example.org"
HERE, ELSEWHERE = "127.0.0.1", "127.0.0.2"
MINUTE = timedelta(minutes=1)
ONLY_HERE = Rules.read([f"{HERE}/32"])  # stands for the public internet: that one may be called


@dataclass
class Says:
    """A resolver that gives its answers one after the other, and the last one for ever."""

    answers: list[Sequence[str]]
    asked: list[str] = field(default_factory=list)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers[min(len(self.asked), len(self.answers)) - 1]


def send(sender: Sender, url: str) -> Attempt:
    return asyncio.run(replace(sender, connect=2 * MINUTE).send(url, {}, b"{}"))


@pytest.fixture
def inside() -> Iterator[Receiver]:
    """What must not be reached: it listens at every IPv4 address of this machine."""
    with receiver(host="0.0.0.0") as made:
        yield made


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["127.0.0.2"],
        ["127.255.255.254"],
        ["0.0.0.0"],
        ["::1"],
        ["::"],
        ["::ffff:127.0.0.1"],
        ["::ffff:7f00:1"],
        ["::127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["2002:7f00:1::"],
        ["169.254.169.254"],
        ["::ffff:169.254.169.254"],
        ["fd00:ec2::254"],
        ["fe80::1%lo"],
        ["10.0.0.1"],
        ["172.16.0.1"],
        ["192.168.0.1"],
        ["100.100.100.200"],
        ["224.0.0.1"],
        ["93.184.215.14", "127.0.0.1"],
        ["127.0.0.1", "93.184.215.14"],
    ],
    ids=",".join,
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_name_that_leads_inside_is_refused_before_anything_connects(
    inside: Receiver, scheme: str, addresses: list[str]
) -> None:
    sender = Sender(Rules(plain_http=True), Says([addresses]), total=4 * MINUTE)
    attempt = send(sender, f"{scheme}://{NAME}:{inside.port}/")
    assert attempt.answer.status is None
    assert "which is no public address" in (attempt.error or "")
    assert attempt.took < MINUTE, "whoever connects to where nobody answers waits for two"
    assert inside.connections == 0


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "0.0.0.0",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "017700000001",
        "0177.0.0.1",
        "127.1",
        "127.0.1",
        "127.0.0.1.",
        "0",
        "user@127.0.0.1",
        "example.org@127.0.0.1",
        "127.0.0.1%2f",
        "127。0。0。1",
        "①②⑦.0.0.1",
    ],
)
def test_no_spelling_of_this_machine_is_connected_to(inside: Receiver, host: str) -> None:
    """With the resolver of this machine, which understands several of them."""
    attempt = send(Sender(Rules(plain_http=True)), f"http://{host}:{inside.port}/hook")
    assert attempt.answer.status is None
    assert attempt.error
    assert inside.connections == 0


def test_the_same_sockets_are_reached_where_a_deployment_allows_it(inside: Receiver) -> None:
    """What is refused above is refused by the rules, not by chance."""
    for resolve in (Says([[HERE]]), Says([[ELSEWHERE]]), Says([["::ffff:127.0.0.1"]])):
        attempt = send(Sender(Rules.read(["127.0.0.0/8"]), resolve), f"http://{NAME}:{inside.port}/hook?a=b")
        assert attempt.answer.status == 204
    assert {request.headers["host"] for request in inside.requests} == {f"{NAME}:{inside.port}"}
    assert {request.path for request in inside.requests} == {"/hook?a=b"}


@pytest.fixture
def two() -> Iterator[tuple[Receiver, Receiver]]:
    """One that may be called, and one that may not: the same port of two addresses."""
    with ExitStack() as both:
        here = both.enter_context(receiver(host=HERE))
        yield here, both.enter_context(receiver(host=ELSEWHERE, port=here.port))


def test_a_name_that_changes_its_address_is_resolved_once_and_what_was_checked_is_connected_to(
    two: tuple[Receiver, Receiver],
) -> None:
    """Rebinding: whoever asked again for the connection itself would be led elsewhere."""
    here, elsewhere = two
    resolve = Says([[HERE], [ELSEWHERE]])
    sender, url = Sender(ONLY_HERE, resolve), f"http://{NAME}:{here.port}/hook"
    assert send(sender, url).answer.status == 204
    assert (resolve.asked, here.connections, elsewhere.connections) == ([NAME], 1, 0)
    refused = send(sender, url)
    assert f"{NAME} is at {ELSEWHERE}" in (refused.error or ""), "the next attempt asks and checks again"
    assert (len(resolve.asked), here.connections, elsewhere.connections) == (2, 1, 0)


def test_another_address_of_a_name_is_tried_where_one_does_not_answer() -> None:
    with socket.socket() as deaf:
        deaf.bind((HERE, 0))  # and does not listen, so that nobody else does either
        port = deaf.getsockname()[1]
        with receiver(host=ELSEWHERE, port=port) as lab:
            attempt = send(
                Sender(Rules.read(["127.0.0.0/8"]), Says([[HERE, ELSEWHERE]])), f"http://{NAME}:{port}/"
            )
            refused = send(Sender(ONLY_HERE, Says([[HERE]])), f"http://{NAME}:{port}/")
    assert attempt.answer.status == 204
    assert len(lab.requests) == 1
    assert "No connection" in (refused.error or "")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_a_private_address_leads_nowhere(two: tuple[Receiver, Receiver], status: int) -> None:
    here, elsewhere = two
    here.answer = lambda _: Reply(status, {"location": elsewhere.url})
    attempt = send(Sender(ONLY_HERE, Says([[HERE]])), f"http://{NAME}:{here.port}/hook")
    assert (attempt.answer.status, attempt.error) == (
        status,
        "Redirects are not followed: register the address that it leads to.",
    )
    assert (here.connections, elsewhere.connections) == (1, 0)


def test_a_proxy_of_the_environment_is_not_used(
    two: tuple[Receiver, Receiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would resolve the name once more, and by its own rules."""
    here, elsewhere = two
    for name in ("http_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, elsewhere.url)
    assert send(Sender(ONLY_HERE, Says([[HERE]])), f"http://{NAME}:{here.port}/").answer.status == 204
    assert (here.connections, elsewhere.connections) == (1, 0)


def test_a_resolver_that_does_not_know_the_name_is_an_attempt_that_failed(inside: Receiver) -> None:
    async def unknown(host: str, port: int) -> Sequence[str]:
        raise OSError(-2, "Name or service not known")

    attempt = send(Sender(Rules(), unknown), f"https://{NAME}:{inside.port}/")
    assert attempt.error == "The name was not found: Name or service not known."


def test_a_resolver_that_hangs_costs_no_more_than_an_attempt(inside: Receiver) -> None:
    async def hang(host: str, port: int) -> Sequence[str]:
        await asyncio.sleep(600)
        raise DestinationRefused("never")

    attempt = send(Sender(Rules(), hang, total=timedelta(seconds=1.5)), f"https://{NAME}:{inside.port}/")
    assert attempt.answer.status is None
    assert attempt.took < timedelta(seconds=60)
