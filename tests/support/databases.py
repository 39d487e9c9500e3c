"""Databases of a test's own on the shared Postgres: copies of one that was migrated once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
from psycopg import sql

from shared.database.migrate import upgrade


@contextmanager
def migrated_template(server: str) -> Iterator[str]:
    """The name of a database with the newest schema and no rows."""
    with empty_database(server) as url:
        upgrade(url)
        yield urlsplit(url).path.removeprefix("/")


@contextmanager
def copy_of(server: str, template: str) -> Iterator[str]:
    """The URL of a new copy of `template`, dropped at the end with whatever is connected to it."""
    name = f"test_{uuid4().hex}"
    _execute(server, sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*map(sql.Identifier, (name, template))))
    try:
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        _execute(server, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def empty_database(server: str) -> Iterator[str]:
    """The URL of a new database without a schema."""
    with copy_of(server, "template0") as url:
        yield url


def _execute(server: str, statement: sql.Composed) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(statement)
