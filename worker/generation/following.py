"""Following the table of added models: in a thread, and where nothing was found to claim."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import structlog
from sqlalchemy import Engine

from shared.database.engines import transaction
from shared.database.queries.models import all_models, newest_revision
from shared.errors import Unavailable
from shared.shelf import Shelf

log = structlog.get_logger()

EVERY = timedelta(seconds=2)


def look(database: Engine, shelf: Shelf) -> bool:
    """Have the shelf say what the table says, and whether that is new.

    Where a server is away, what it said before holds on.
    """
    try:
        with transaction(database) as session:
            if shelf.is_current(session.scalars(newest_revision()).one()):
                return False
            rows = session.scalars(all_models()).all()
        shelf.take(rows)
    except Unavailable as error:
        log.warning("catalog.not_read", error=str(error))
        return False
    return True


@contextmanager
def followed(database: Engine, shelf: Shelf, every: timedelta = EVERY) -> Iterator[None]:
    """Look now and again and again in the block: what is new is fetched before anybody asks it."""
    look(database, shelf)
    ending = threading.Event()
    thread = threading.Thread(
        target=_follow, args=(database, shelf, every, ending), name="models", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join(timeout=5)


def _follow(database: Engine, shelf: Shelf, every: timedelta, ending: threading.Event) -> None:
    while not ending.wait(every.total_seconds()):
        try:
            look(database, shelf)
        except Exception as error:  # the thread's edge: what fails once must not end it
            log.error("catalog.not_read", exc_info=error)
