"""Fixtures for every room. Nothing starts before a test asks for it.

- `servers`: the session's real servers: `.database`, `.redis` (URLs), `.s3` (see tests/support/servers.py).
- `database_url`: a migrated Postgres database of the test's own; `module_database_url`: of the module's own.
- `empty_database_url`: one without a schema.
- `redis_url`: a numbered database of Valkey, empty at the start of the test.
- `machine`: one real `genequeue up` with the starter models for the session (tests/support/machine.py);
  who kills or stops one starts it with `running_machine`.
- `storage_url`: runs the test twice, on local disk and on S3; the S3 run has the AWS variables set.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from redis import Redis

from tests.support.databases import Copies, empty_database, migrated_template
from tests.support.machine import Machine, running_machine
from tests.support.s3 import S3
from tests.support.servers import Servers

# Redis numbers its databases from 0 to 15; 0 is left to whoever owns the server.
_NUMBERS = itertools.cycle(range(1, 16))

# What an environment may wish of printed text: colours, other lines.
_WISHES = ("FORCE_COLOR", "NO_COLOR", "PY_COLORS", "TTY_COMPATIBLE", "GITHUB_ACTIONS", "COLUMNS")


def pytest_configure(config: pytest.Config) -> None:
    """The same output wherever the suite runs, and no warning of forks that are safe.

    Python 3.12 warns of forks beside threads; our child makes one system call between fork and exec.
    """
    config.addinivalue_line("filterwarnings", "ignore:.*use of fork.*:DeprecationWarning")
    for name in _WISHES:
        os.environ.pop(name, None)


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    made = Servers()
    yield made
    made.close()


@pytest.fixture(scope="session")
def copies(servers: Servers) -> Iterator[Copies]:
    with migrated_template(servers.database) as name, closing(Copies(servers.database, name)) as made:
        yield made


@pytest.fixture
def database_url(copies: Copies) -> Iterator[str]:
    with copies.one() as url:
        yield url


@pytest.fixture(scope="module")
def module_database_url(copies: Copies) -> Iterator[str]:
    with copies.one() as url:
        yield url


@pytest.fixture
def empty_database_url(servers: Servers) -> Iterator[str]:
    with empty_database(servers.database) as url:
        yield url


@pytest.fixture
def redis_url(servers: Servers) -> str:
    url = urlsplit(servers.redis)._replace(path=f"/{next(_NUMBERS)}").geturl()
    with Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with running_machine(tmp_path_factory.mktemp("machine") / "data") as made:
        yield made


@pytest.fixture(params=["file", "s3"])
def storage_url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "file":
        return f"file://{tmp_path}/objects"
    place: S3 = request.getfixturevalue("servers").s3
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    return place.url(uuid4().hex)
