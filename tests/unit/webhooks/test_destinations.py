"""Where webhooks may go: hostile URLs, hostile addresses, and what a deployment may open."""

from __future__ import annotations

import pytest

from shared.errors import DestinationRefused
from shared.webhooks.destinations import Rules, Target

PUBLIC = ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"]
REFUSED = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.192",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:a00:1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2002:c0a8:101::1",
    "2001:0:7f00:1::",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", REFUSED)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    with pytest.raises(DestinationRefused, match="no public address"):
        Rules().check(Target.read("https://example.org/hook"), [address])


def test_one_bad_address_among_good_ones_is_enough() -> None:
    target = Target.read("https://example.org/hook")
    Rules().check(target, PUBLIC)
    with pytest.raises(DestinationRefused):
        Rules().check(target, [*PUBLIC, "10.0.0.1"])
    with pytest.raises(DestinationRefused, match="no address"):
        Rules().check(target, [])


def test_a_network_can_be_opened_and_only_that() -> None:
    rules = Rules.read(["10.0.0.0/8", "fd00::/8"])
    target = Target.read("http://lab.internal:8080/hook")
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "fd12::1"):
        rules.check(target, [address])
    for address in ("127.0.0.1", "::ffff:127.0.0.1", "192.168.0.1"):
        with pytest.raises(DestinationRefused):
            rules.check(target, [address])


def test_plain_http_needs_an_opened_network_or_a_setting() -> None:
    target = Target.read("http://example.org/hook")
    with pytest.raises(DestinationRefused, match="not encrypted"):
        Rules().check(target, PUBLIC)
    Rules(plain_http=True).check(target, PUBLIC)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org/hook",
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://example.org/",
        "https://",
        "https:///hook",
        "https://user:password@example.org/",
        "https://user@example.org/",
        "https://example.org#@10.0.0.1/",
        "https://example.org\\@10.0.0.1/",
        "https://example.org/a b",
        "https://example.org/a\r\nHost: x",
        "https://example.org:22/",
        "https://example.org:1023/",
        "https://example.org:0/",
        "https://example.org:99999/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://127.0.0.1./",
        "https://[::1/",
        "https://[::1]x/",
        "https://ⓛocalhost/",
        "https://①②⑦.⓪.⓪.①/",
        "https://exa mple.org/",
        "https://-example.org/",
        "https://exam_ple..org/",
        "https://" + "a" * 64 + ".org/",
        "https://example.org/" + "a" * 2_048,
    ],
)
def test_a_url_that_is_none_or_says_two_things_is_refused(url: str) -> None:
    with pytest.raises(DestinationRefused):
        Target.read(url)


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "authority"),
    [
        ("https://example.org", "example.org", 443, "/", "example.org"),
        ("https://Example.org:443/a?b=c%20d", "example.org", 443, "/a?b=c%20d", "example.org"),
        ("http://example.org:8080/", "example.org", 8080, "/", "example.org:8080"),
        ("http://example.org:443/", "example.org", 443, "/", "example.org:443"),
        ("https://[2606:2800::1]:8443/x", "2606:2800::1", 8443, "/x", "[2606:2800::1]:8443"),
        ("https://xn--mnchen-3ya.de/", "xn--mnchen-3ya.de", 443, "/", "xn--mnchen-3ya.de"),
        ("https://1password.com/", "1password.com", 443, "/", "1password.com"),
        ("https://lab_1.example.org/", "lab_1.example.org", 443, "/", "lab_1.example.org"),
    ],
)
def test_a_url_is_taken_apart(url: str, host: str, port: int, path: str, authority: str) -> None:
    target = Target.read(url)
    assert (target.host, target.port, target.path, target.authority) == (host, port, path, authority)
    assert target.tls == url.startswith("https")
