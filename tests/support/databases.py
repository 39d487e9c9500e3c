"""Databases of a test's own on the shared Postgres: copies of one that was migrated once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
from psycopg import sql
from psycopg.errors import ObjectInUse

from shared.database.migrate import upgrade

_PATIENCE_SECONDS = 60


@contextmanager
def migrated_template(server: str) -> Iterator[str]:
    """The name of a database with the newest schema and no rows."""
    with empty_database(server) as url:
        upgrade(url)
        yield urlsplit(url).path.removeprefix("/")


class Copies:
    """Copies of one database. A thread makes the next one while a test works, so that nobody waits for it."""

    def __init__(self, server: str, template: str) -> None:
        self._server, self._template = server, template
        self._maker = ThreadPoolExecutor(1, "copies")
        self._next = self._maker.submit(self._make)

    @contextmanager
    def one(self) -> Iterator[str]:
        """The URL of a copy, dropped afterwards with whatever is connected to it."""
        name = self._next.result()
        self._next = self._maker.submit(self._make)
        try:
            yield _url(self._server, name)
        finally:
            self._maker.submit(_drop, self._server, name)

    def close(self) -> None:
        """Drop what is left; the template is free."""
        _drop(self._server, self._next.result())
        self._maker.shutdown()

    def _make(self) -> str:
        return _create(self._server, self._template)


@contextmanager
def empty_database(server: str) -> Iterator[str]:
    """The URL of a new database without a schema."""
    name = _create(server, "template0")
    try:
        yield _url(server, name)
    finally:
        _drop(server, name)


def _create(server: str, template: str) -> str:
    name = f"test_{uuid4().hex}"
    _execute(server, sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*map(sql.Identifier, (name, template))))
    return name


def _drop(server: str, name: str) -> None:
    _execute(server, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _url(server: str, name: str) -> str:
    return urlsplit(server)._replace(path=f"/{name}").geturl()


def _execute(server: str, statement: sql.Composed) -> None:
    """Again where somebody is still connected: Postgres waits five seconds for whoever is on the way out."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with psycopg.connect(server, autocommit=True) as connection:
        while True:
            try:
                connection.execute(statement)
                return
            except ObjectInUse:
                if time.monotonic() > deadline:
                    raise
