"""A running API for each module of this room; tests that need other settings start their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import structlog

from tests.support.api import Service, service, settings_for
from tests.support.catalogs import unread_model
from tests.support.servers import Servers

Serve = Callable[..., AbstractContextManager[Service]]


@pytest.fixture(scope="session", autouse=True)
def plain_logs() -> Iterator[None]:
    """One line per event: the usual renderer draws every variable of a traceback, which takes seconds."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(),
        ]
    )
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("models")
    for model_id in ("gem-1-bulk", "gem-1-sc"):
        unread_model(directory, model_id)
    return directory


@pytest.fixture(scope="module")
def api(
    servers: Servers, module_database_url: str, models_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """The API with the usual settings, on local disk; shared by the tests of a module."""
    settings = settings_for(
        database_url=module_database_url,
        redis_url=servers.redis,
        storage_url=f"file://{tmp_path_factory.mktemp('objects')}",
        models_dir=models_dir,
    )
    with service(settings) as running:
        yield running


@pytest.fixture
def serve(database_url: str, redis_url: str, models_dir: Path, tmp_path: Path) -> Serve:
    """Starts an API with a database, broker and folder of the test's own, and the settings it is given."""

    def start(**given: Any) -> AbstractContextManager[Service]:
        own = {
            "database_url": database_url,
            "redis_url": redis_url,
            "storage_url": f"file://{tmp_path}/objects",
            "models_dir": models_dir,
        }
        return service(settings_for(**{**own, **given}))

    return start
