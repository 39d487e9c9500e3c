"""The servers as containers, where a Docker engine answers."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from testcontainers.core.container import DockerContainer

from tests.support.s3 import S3

POSTGRES = "postgres:18"
VALKEY = "valkey/valkey:9.1"
SEAWEED = "chrislusf/seaweedfs:4.48"
_SOCKET = "unix:///var/run/docker.sock"
_PATIENCE_SECONDS = 120


def docker_answers() -> bool:
    """Whether an engine is there; asked over a socket, since the client library leaks one when it is not."""
    place = urlsplit(os.environ.get("DOCKER_HOST") or _SOCKET)
    try:
        if place.scheme == "unix":
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(5)
                connection.connect(place.path)
        else:
            socket.create_connection((place.hostname or "", place.port or 2375), timeout=5).close()
    except OSError:
        return False
    return True


@contextmanager
def postgres_container(ready: Callable[[str], bool]) -> Iterator[str]:
    """The URL of a Postgres of its own."""
    password = secrets.token_hex(8)
    container = DockerContainer(POSTGRES).with_env("POSTGRES_PASSWORD", password).with_exposed_ports(5432)
    with container.with_command("postgres -c fsync=off -c max_connections=200"):
        url = f"postgresql://postgres:{password}@{_address(container, 5432)}/postgres"
        _wait(lambda: ready(url), POSTGRES)
        yield url


@contextmanager
def valkey_container(ready: Callable[[str], bool]) -> Iterator[str]:
    """The URL of a Valkey of its own."""
    with DockerContainer(VALKEY).with_exposed_ports(6379) as container:
        url = f"redis://{_address(container, 6379)}/0"
        _wait(lambda: ready(url), VALKEY)
        yield url


@contextmanager
def seaweed_container(ready: Callable[[S3], bool]) -> Iterator[S3]:
    """An S3 of its own."""
    key, secret = secrets.token_hex(8), secrets.token_hex(16)
    container = DockerContainer(SEAWEED).with_exposed_ports(8333)
    container.with_env("AWS_ACCESS_KEY_ID", key).with_env("AWS_SECRET_ACCESS_KEY", secret)
    with container.with_command("mini -dir=/data -s3.port=8333 -master.telemetry=false -admin.ui=false"):
        place = S3(f"http://{_address(container, 8333)}", key, secret, bucket="genequeue-tests")
        _wait(lambda: ready(place), SEAWEED)
        yield place


def _address(container: DockerContainer, port: int) -> str:
    return f"{container.get_container_host_ip()}:{container.get_exposed_port(port)}"


def _wait(ready: Callable[[], bool], image: str) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not ready():
        if time.monotonic() > deadline:
            raise RuntimeError(f"The container of {image} was not ready within {_PATIENCE_SECONDS} s.")
        time.sleep(0.1)
