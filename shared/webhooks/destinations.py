"""Where a webhook may go: which URLs may be registered, and which addresses may be connected to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Self
from urllib.parse import SplitResult, urlsplit

from shared.errors import DestinationRefused

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_LONGEST = 2_048
_PORTS = {"https": 443, "http": 80}
_UNPRIVILEGED = 1_024
# Printable ASCII without what browsers and libraries read differently.
_PLAIN = re.compile(r"[!#-;=?-\[\]_a-z~]+")
_NAME = re.compile(
    r"(?=.{1,253}\.?$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.?"
)
_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)")
# What `is_global` lets pass, in one Python or another: where Azure tells its machines their secrets,
# protocol assignments (Oracle's metadata among them), relays of 6to4, local NAT64, old site-local.
_RESERVED = tuple(
    map(
        ip_network,
        ("168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24", "64:ff9b:1::/48", "fec0::/10"),
    )
)
_NAT64 = ip_network("64:ff9b::/96")
_COMPATIBLE = ip_network("::/96")
_V4_BITS = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart: where to connect, what to ask for. `host` has no brackets."""

    url: str
    tls: bool
    host: str
    port: int
    path: str

    @classmethod
    def read(cls, url: str) -> Self:
        """A URL that says one thing only. Raises DestinationRefused."""
        parts = _split(url)
        host = (parts.hostname or "").lower()
        _check_host(host, url)
        port = _port(parts, url)
        if not re.fullmatch(re.escape(_bracketed(host)) + f"(:{port})?", parts.netloc.lower()):
            raise DestinationRefused(f"{url} names its host in an unusual form.")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(url, parts.scheme.lower() == "https", host, port, path)

    @property
    def authority(self) -> str:
        """What the Host header says."""
        usual = self.port == _PORTS["https" if self.tls else "http"]
        return _bracketed(self.host) if usual else f"{_bracketed(self.host)}:{self.port}"


@dataclass(frozen=True, slots=True)
class Rules:
    """What a deployment allows beyond public addresses over https."""

    allowed_networks: tuple[Network, ...] = ()
    plain_http: bool = False

    @classmethod
    def read(cls, networks: Sequence[str], plain_http: bool = False) -> Self:
        """From networks as they are written, such as 10.0.0.0/8. Raises ValueError."""
        return cls(tuple(ip_network(network.strip()) for network in networks), plain_http)

    def check(self, target: Target, addresses: Sequence[str]) -> None:
        """Whether a target may be connected to at the addresses that its name has now: all of them must do.

        Raises DestinationRefused.
        """
        if not addresses:
            raise DestinationRefused(f"{target.host} has no address.")
        for text in addresses:
            address = ip_address(text.partition("%")[0])
            if not self._is_allowed(address) and not _is_public(address):
                raise DestinationRefused(
                    f"{target.host} is at {text}, which is no public address. Whoever runs the service can "
                    "open private networks with GENEQUEUE_WEBHOOK_ALLOWED_NETWORKS."
                )
            if not target.tls and not self.plain_http and not self._is_allowed(address):
                raise DestinationRefused(
                    f"http://{target.authority} is not encrypted. Use https; whoever runs the service can "
                    "allow http with GENEQUEUE_WEBHOOK_PLAIN_HTTP."
                )

    def _is_allowed(self, address: Address) -> bool:
        """Of every address that this one may stand for."""
        return all(
            any(meant in network for network in self.allowed_networks if network.version == meant.version)
            for meant in _meanings(address)
        )


def _is_public(address: Address) -> bool:
    return all(
        meant.is_global
        and not meant.is_multicast
        and not any(meant in network for network in _RESERVED if network.version == meant.version)
        for meant in _meanings(address)
    )


def _meanings(address: Address) -> Iterator[Address]:
    """The IPv4 addresses that are wrapped in an IPv6 address; another address is what it is."""
    if isinstance(address, IPv4Address):
        yield address
        return
    last = IPv4Address(int(address) & _V4_BITS)
    if address.ipv4_mapped is not None or address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        yield last
    elif address.sixtofour is not None:
        yield address.sixtofour
    elif address.teredo is not None:
        yield from address.teredo
    else:
        yield address


def _split(url: str) -> SplitResult:
    if len(url) > _LONGEST:
        raise DestinationRefused(f"The URL has {len(url)} characters; at most {_LONGEST} are allowed.")
    if not _PLAIN.fullmatch(url.lower()):
        raise DestinationRefused(
            f"{url!r} has characters that a URL has only in encoded form (%20 for a space, xn-- names)."
        )
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise DestinationRefused(f"{url} is no URL: {error}.") from None
    if parts.scheme.lower() not in _PORTS:
        raise DestinationRefused(f"{url} does not begin with https://.")
    if parts.username is not None or parts.password is not None:
        raise DestinationRefused(
            "The URL holds a user name or password, which would be logged. The signature says who calls."
        )
    if parts.fragment:
        raise DestinationRefused(f"{url} has a part after #, which is never sent. Leave it away.")
    return parts


def _port(parts: SplitResult, url: str) -> int:
    try:
        port = parts.port
    except ValueError:
        raise DestinationRefused(f"{url} has a port beyond 65535.") from None
    if port is None:
        return _PORTS[parts.scheme.lower()]
    if port < _UNPRIVILEGED and port not in _PORTS.values():
        raise DestinationRefused(
            f"Port {port} is no web server's. Below {_UNPRIVILEGED} only 80 and 443 are called."
        )
    return port


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _check_host(host: str, url: str) -> None:
    """A name, or an address in its usual form: not as one number, in hex, octal or with parts left out."""
    try:
        ip_address(host)
        return
    except ValueError:
        pass
    if not _NAME.fullmatch(host):
        raise DestinationRefused(f"{url} names no host.")
    if _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
        raise DestinationRefused(f"{host} is an address in an unusual form. Write it as 203.0.113.7.")
