"""Bringing a database to the newest schema with Alembic, and saying how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import InterfaceError, OperationalError

from shared.database.engines import sync_engine
from shared.errors import DatabaseUnavailable

SCRIPTS = Path(__file__).resolve().parents[2] / "migrations"


@dataclass(frozen=True, slots=True)
class Revisions:
    """The schema that a database has (None: none at all) and those that this checkout has, oldest first."""

    current: str | None
    known: tuple[str, ...]

    @property
    def newest(self) -> str:
        """What the database should have."""
        return self.known[-1]


def revisions(engine: Engine) -> Revisions:
    """How far the database is. Raises DatabaseUnavailable."""
    scripts = ScriptDirectory.from_config(_config())
    known = tuple(script.revision for script in reversed(list(scripts.walk_revisions())))
    try:
        with engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
    except (OperationalError, InterfaceError) as error:
        raise DatabaseUnavailable(f"Postgres does not answer: {error.orig}") from error
    return Revisions(current, known)


def upgrade(database_url: str, revision: str = "head") -> None:
    """Run every migration that the database lacks. Raises DatabaseUnavailable."""
    engine = sync_engine(database_url, pool_size=1)
    try:
        with engine.connect() as connection:
            command.upgrade(_config(connection), revision)
            connection.commit()
    except (OperationalError, InterfaceError) as error:
        raise DatabaseUnavailable(f"Postgres does not answer: {error.orig}") from error
    finally:
        engine.dispose()


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    if connection is not None:
        config.attributes["connection"] = connection
    return config
