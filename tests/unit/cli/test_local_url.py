"""The address at which a client on this machine finds the API."""

from __future__ import annotations

import pytest

from cli.machine.services import local_url


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("::1", "http://[::1]:80"),
        ("lab.example", "http://lab.example:80"),
    ],
)
def test_an_address_that_means_every_one_becomes_this_machine(host: str, url: str) -> None:
    assert local_url(host, 80) == url
