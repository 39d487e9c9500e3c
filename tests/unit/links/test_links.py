"""Signed links: valid for one job, until their time is over, and only as they were written."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from shared.errors import LinkRejected
from shared.links import LinkSigner

JOB, OTHER = UUID(int=1), UUID(int=2)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def signed(signer: LinkSigner, job_id: UUID = JOB) -> tuple[str, str]:
    parameters = parse_qs(urlsplit(signer.path(job_id)).query)
    return parameters["expires"][0], parameters["signature"][0]


def test_a_link_holds_until_its_time_is_over() -> None:
    clock = Clock()
    signer = LinkSigner(b"secret", timedelta(hours=1), clock)
    link = signed(signer)
    signer.check(JOB, *link)
    clock.now += 3600
    signer.check(JOB, *link)
    clock.now += 1
    with pytest.raises(LinkRejected, match="expired"):
        signer.check(JOB, *link)


def test_a_link_is_for_one_job() -> None:
    signer = LinkSigner(b"secret", timedelta(hours=1))
    with pytest.raises(LinkRejected, match="altered"):
        signer.check(OTHER, *signed(signer))


def test_a_link_of_another_secret_is_refused() -> None:
    link = signed(LinkSigner(b"old secret", timedelta(hours=1)))
    with pytest.raises(LinkRejected):
        LinkSigner(b"secret", timedelta(hours=1)).check(JOB, *link)


@pytest.mark.parametrize("expires", ["", "9999999999", "-1", "1e9", "later", "１２"])
def test_another_expiry_is_refused_whatever_it_says(expires: str) -> None:
    signer = LinkSigner(b"secret", timedelta(hours=1))
    _, signature = signed(signer)
    with pytest.raises(LinkRejected, match="altered"):
        signer.check(JOB, expires, signature)


def test_the_secret_is_not_shown() -> None:
    assert "swordfish" not in repr(LinkSigner(b"swordfish", timedelta(hours=1)))
