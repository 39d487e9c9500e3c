"""The catalog of a process while it changes: one snapshot after the other, each complete.

Knows rows and files; who reads the rows, and when, is the process's own affair.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import structlog

from shared.catalog import WEIGHTS, BrokenModel, Catalog, Model
from shared.database.tables import AddedModel
from shared.errors import CheckpointError, SetupError
from shared.shelf.files import forget_model, open_added
from shared.storage.port import Storage

log = structlog.get_logger()


class Shelf:
    """Starters, and the models that were added since; `catalog` is the current snapshot."""

    def __init__(self, starters: Catalog, storage: Storage, cache: Path) -> None:
        self.catalog = starters
        self._starters, self._storage, self._cache = starters, storage, cache
        self._revision = 0
        self._opened: dict[str, Model] = {}  # by digest of the manifest
        self._rows: dict[tuple[str, int], AddedModel] = {}
        self._lock = threading.Lock()

    def is_current(self, newest_revision: int | None) -> bool:
        """Whether the snapshot says what the table said at that revision."""
        return (newest_revision or 0) <= self._revision

    def take(self, rows: Sequence[AddedModel]) -> None:
        """Make the snapshot say what these rows, all of the table, say; what is new is fetched.

        Raises StorageUnavailable; the snapshot stays as it was then.
        """
        revision = max((row.revision for row in rows), default=0)
        with self._lock:
            if self.is_current(revision):
                return
            self.catalog = self._catalog_of([row for row in rows if row.deleted_at is None])
            self._rows = {(row.model_id, row.version): row for row in rows}
            for row in rows:
                if row.deleted_at is not None:
                    self._opened.pop(row.manifest_digest, None)
                    forget_model(row, self._cache)
            self._revision = revision

    def on_disk(self, model: Model) -> Model:
        """The model with all its files in place: fetched again if somebody cleared the cache.

        Raises CheckpointError, SetupError, StorageUnavailable.
        """
        row = self._rows.get((model.model_id, model.version))
        if model.added_at is None or row is None or (model.directory / WEIGHTS).is_file():
            return model
        return open_added(self._storage, row, self._cache)

    def _catalog_of(self, rows: Sequence[AddedModel]) -> Catalog:
        asked = {(model.model_id, model.version): model for model in self._starters.versions}
        withdrawn: list[Model] = []
        broken: list[BrokenModel] = []
        for row in rows:
            try:
                model = self._open(row)
            except (CheckpointError, SetupError) as error:
                log.error("model.broken", model=row.model_id, version=row.version, error=str(error))
                if row.removed_at is None:
                    broken.append(BrokenModel(row.model_id, row.version, str(error)))
                continue
            if row.removed_at is None:
                asked[row.model_id, row.version] = model
            else:
                withdrawn.append(model)
        log.info("catalog.changed", models=[f"{model_id} {version}" for model_id, version in sorted(asked)])
        return Catalog(tuple(asked.values()), tuple(withdrawn), tuple(broken))

    def _open(self, row: AddedModel) -> Model:
        model = self._opened.get(row.manifest_digest)
        if model is None:
            model = open_added(self._storage, row, self._cache)
            self._opened[row.manifest_digest] = model
        return model
