"""Row 41, its other half: TLS is with the name, though an address that was checked is connected to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from shared.webhooks.destinations import Rules
from tests.support.certificates import Authority
from tests.support.receivers import Receiver, receiver
from worker.webhooks.sending import Attempt, Sender

NAME = "lab.example"
MINUTE = timedelta(minutes=1)
LOOPBACK = Rules.read(["127.0.0.0/8"])


async def here(host: str, port: int) -> Sequence[str]:
    return ["127.0.0.1"]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def send(sender: Sender, lab: Receiver) -> Attempt:
    patient = replace(sender, connect=MINUTE, total=2 * MINUTE)
    return asyncio.run(patient.send(f"https://{NAME}:{lab.port}/hook", {}, b"{}"))


def test_the_name_of_the_url_is_asked_for_and_verified(authority: Authority) -> None:
    asked = []
    tls = authority.serving(NAME)
    tls.sni_callback = lambda _socket, name, _context: asked.append(name)
    with receiver(tls=tls) as lab:
        attempt = send(Sender(LOOPBACK, here, tls=authority.trusting()), lab)
    assert (attempt.answer.status, attempt.error) == (204, None)
    assert asked == [NAME]
    assert lab.requests[0].headers["host"] == f"{NAME}:{lab.port}"


@pytest.mark.parametrize("names", [("other.example",), ("127.0.0.1",), (f"sub.{NAME}",), (f"*.{NAME}",)])
def test_a_certificate_of_another_name_or_of_the_address_gets_no_byte(
    authority: Authority, names: tuple[str, ...]
) -> None:
    with receiver(tls=authority.serving(*names)) as lab:
        attempt = send(Sender(LOOPBACK, here, tls=authority.trusting()), lab)
    assert attempt.answer.status is None
    assert f"certificate is not valid for '{NAME}'" in (attempt.error or "")
    assert (lab.connections, lab.requests) == (1, [])


def test_a_certificate_of_an_authority_that_nobody_knows_gets_no_byte(authority: Authority) -> None:
    """With the authorities that the sender trusts by default."""
    with receiver(tls=authority.serving(NAME)) as lab:
        attempt = send(Sender(LOOPBACK, here), lab)
    assert attempt.answer.status is None
    assert "certificate verify failed" in (attempt.error or "")
    assert (lab.connections, lab.requests) == (1, [])


def test_https_to_a_receiver_without_tls_is_an_attempt_that_failed(authority: Authority) -> None:
    with receiver() as lab:
        attempt = send(Sender(LOOPBACK, here, tls=authority.trusting()), lab)
    assert attempt.answer.status is None
    assert attempt.error
    assert lab.requests == []
