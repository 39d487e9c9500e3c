"""Bringing a database to the newest schema with Alembic."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy.exc import InterfaceError, OperationalError

from shared.database.engines import sync_engine
from shared.errors import DatabaseUnavailable

SCRIPTS = Path(__file__).resolve().parents[2] / "migrations"


def upgrade(database_url: str, revision: str = "head") -> None:
    """Run every migration that the database lacks. Raises DatabaseUnavailable."""
    engine = sync_engine(database_url, pool_size=1)
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    try:
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
            connection.commit()
    except (OperationalError, InterfaceError) as error:
        raise DatabaseUnavailable(f"Postgres does not answer: {error.orig}") from error
    finally:
        engine.dispose()
