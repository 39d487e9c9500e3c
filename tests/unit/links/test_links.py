"""Signed links: for the one thing they name, until their time is over, and only as they were written."""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta
from itertools import permutations
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from shared.errors import LinkRejected
from shared.links import Linked, LinkSigner, artifact, part, report, result

JOB, OTHER = UUID(int=1), UUID(int=2)
HOUR = timedelta(hours=1)
# Of equal ids, so that only the kind tells them apart.
THINGS = [result(JOB), part(JOB, 0), part(JOB, 1), artifact(JOB), report(JOB), result(OTHER), part(OTHER, 0)]


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def signed(signer: LinkSigner, linked: Linked = THINGS[0], lifetime: timedelta | None = None) -> list[str]:
    parameters = parse_qs(urlsplit(signer.path(linked, lifetime)).query)
    return [parameters["expires"][0], parameters["signature"][0]]


@pytest.mark.parametrize("lifetime", [None, timedelta(days=7)])
def test_a_link_holds_until_its_time_is_over(lifetime: timedelta | None) -> None:
    clock = Clock()
    signer = LinkSigner(b"secret", HOUR, clock)
    link = signed(signer, lifetime=lifetime)
    signer.check(result(JOB), *link)
    clock.now += (lifetime or HOUR).total_seconds()
    signer.check(result(JOB), *link)
    clock.now += 1
    with pytest.raises(LinkRejected, match="expired"):
        signer.check(result(JOB), *link)


def test_a_link_is_for_one_thing_of_one_kind() -> None:
    signer = LinkSigner(b"secret", HOUR)
    assert len({linked.path for linked in THINGS}) == len(THINGS)
    for linked, other in permutations(THINGS, 2):
        with pytest.raises(LinkRejected, match="altered"):
            signer.check(other, *signed(signer, linked))


def test_who_is_refused_is_told_where_a_fresh_link_is() -> None:
    for linked, where in ((part(JOB, 3), f"GET /api/model-queries/{JOB}/parts"), (result(JOB), "status")):
        with pytest.raises(LinkRejected, match=where):
            LinkSigner(b"secret", HOUR).check(linked, "1", "none")


def test_links_of_the_first_release_still_hold() -> None:
    signature = hmac.new(b"secret", f"download\n{JOB}\n9999999999".encode(), hashlib.sha256).hexdigest()
    LinkSigner(b"secret", HOUR).check(result(JOB), "9999999999", signature)


def test_a_link_of_another_secret_is_refused() -> None:
    link = signed(LinkSigner(b"old secret", HOUR))
    with pytest.raises(LinkRejected):
        LinkSigner(b"secret", HOUR).check(result(JOB), *link)


@pytest.mark.parametrize("expires", ["", "9999999999", "-1", "1e9", "later", "１２"])
def test_another_expiry_is_refused_whatever_it_says(expires: str) -> None:
    signer = LinkSigner(b"secret", HOUR)
    _, signature = signed(signer)
    with pytest.raises(LinkRejected, match="altered"):
        signer.check(result(JOB), expires, signature)


def test_the_secret_is_not_shown() -> None:
    assert "swordfish" not in repr(LinkSigner(b"swordfish", HOUR))
