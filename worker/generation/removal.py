"""Deletes the files of models that were removed and that nobody needs any more; their rows stay as a mark."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Engine

from shared.database.engines import transaction
from shared.database.queries import models
from shared.storage.port import Storage

# Longer than any process takes to learn that a model was removed, and than a query takes to be accepted.
GRACE = timedelta(minutes=10)


def delete_removed_models(engine: Engine, storage: Storage, grace: timedelta = GRACE) -> list[str]:
    """Delete what was removed that long ago and whose every job has expired; returns the prefixes.

    Objects go first: the next sweep finishes one that was cut short. Raises DatabaseUnavailable and
    StorageUnavailable.
    """
    with transaction(engine) as session:
        if session.scalars(models.unneeded_models(grace)).first() is None:
            return []
        session.execute(models.lock_models())
        unneeded = session.scalars(models.unneeded_models(grace)).all()
        for row in unneeded:
            storage.delete_all(row.prefix)
            session.execute(models.forget_files((row.model_id, row.version)))
    return [row.prefix for row in unneeded]
