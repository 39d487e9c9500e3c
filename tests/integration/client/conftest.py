"""A running API for each module, and clients of it; the tests that need a whole machine use `machine`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from genequeue.client import Client
from tests.support.api import Service, service, settings_for
from tests.support.catalogs import unread_model
from tests.support.cutting import CuttingRelay, cutting
from tests.support.servers import Servers


@pytest.fixture(scope="session", autouse=True)
def plain_logs() -> Iterator[None]:
    """One line per event: the usual renderer draws every variable of a traceback, which takes seconds."""
    structlog.configure(processors=[structlog.processors.KeyValueRenderer()])
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="module")
def api(
    servers: Servers, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    models_dir = tmp_path_factory.mktemp("models")
    unread_model(models_dir, "gem-1-bulk")
    settings = settings_for(
        database_url=module_database_url,
        redis_url=servers.redis,
        storage_url=f"file://{tmp_path_factory.mktemp('objects')}",
        models_dir=models_dir,
    )
    with service(settings) as running:
        yield running


@pytest.fixture
def client(api: Service) -> Iterator[Client]:
    with Client(api.url, api.key) as made:
        yield made


@pytest.fixture
def relay(api: Service) -> Iterator[CuttingRelay]:
    """The API behind a connection that breaks after so many bytes."""
    with cutting(api.url) as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "result"
