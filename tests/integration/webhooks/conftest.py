"""A database of the test's own, and a post office that serves it from a thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial

import pytest
from sqlalchemy import Engine

from shared.database.engines import sync_engine
from shared.webhooks.sealing import Seal
from tests.support.api import SECRET
from tests.support.post_offices import post_office

Serving = Callable[[], AbstractContextManager[None]]


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = sync_engine(database_url)
    yield made
    made.dispose()


@pytest.fixture
def seal() -> Seal:
    return Seal(SECRET.encode())


@pytest.fixture
def serving(database_url: str) -> Serving:
    """Deliveries are made in the block."""
    return partial(post_office, database_url, "http://genequeue.test")
