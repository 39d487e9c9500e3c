"""Adding models to a running GeneQueue and removing them: rows in its database, files in its storage."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from cli.machine.folder import DataFolder
from shared.catalog import Catalog, Model
from shared.database.engines import transaction
from shared.database.queries import models as statements
from shared.database.tables import AddedModel
from shared.errors import InvalidInput, NotFound
from shared.queries.requests import RequestType
from shared.settings import CatalogSettings, read_settings
from shared.shelf import store_model
from shared.storage.port import Storage

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Added:
    """What came of adding a model: its version, and whether it had been there before."""

    version: int
    was_there: bool


@dataclass(frozen=True, slots=True)
class Removed:
    """Which versions of an id nobody can ask any more, and the version that is the default now."""

    versions: Sequence[int]
    default: int | None


def settings_of(data_dir: Path) -> CatalogSettings:
    """Where models are kept: as the environment says, or by the run on that folder. Raises SetupError."""
    if os.environ.get("GENEQUEUE_DATABASE_URL"):
        return read_settings(CatalogSettings)
    state = DataFolder(data_dir.resolve()).read_state()
    return CatalogSettings(
        database_url=state.database_url,
        storage_url=state.storage_url,
        models_dir=state.models_dir,
    )


def add(database: Engine, storage: Storage, starters: Catalog, model: Model) -> Added:
    """Store a model and save its row; the version after the newest where its own is taken.

    Raises InvalidInput for an id that cannot be used, DatabaseUnavailable, StorageUnavailable.
    """
    _check_id(model.model_id)
    digest = model.manifest.weights_digest
    with transaction(database) as session:
        session.execute(statements.lock_models())
        rows = _rows(session, model.model_id)
        known = {row.version: row.weights_digest for row in rows if row.removed_at is None}
        known |= {version: each.manifest.weights_digest for version, each in _own(starters, model.model_id)}
        for version, weights in known.items():
            if weights == digest:
                return Added(version, was_there=True)
        version = max(model.version, 1 + max([0, *known, *(row.version for row in rows)]))
        stored = store_model(storage, model, version)
        key = (model.model_id, version)
        session.execute(statements.add_model(key, digest, stored.manifest_digest, stored.prefix))
    return Added(version, was_there=False)


def remove(database: Engine, starters: Catalog, model_id: str, version: int | None) -> Removed:
    """Have nobody ask one version of an id any more, or every version that was added.

    Raises InvalidInput for a starter, NotFound for what is not there, DatabaseUnavailable.
    """
    own = dict(_own(starters, model_id))
    with transaction(database) as session:
        session.execute(statements.lock_models())
        there = [row.version for row in _rows(session, model_id) if row.removed_at is None]
        chosen = there if version is None else [version]
        if not set(chosen) & set(there):
            raise _nothing_to_remove(model_id, version, own, there)
        removed = session.scalars(statements.remove_models([(model_id, number) for number in chosen])).all()
    left = {*there, *own} - set(removed)
    return Removed(sorted(removed), max(left, default=None))


def _nothing_to_remove(
    model_id: str, version: int | None, own: dict[int, Model], there: Sequence[int]
) -> NotFound | InvalidInput:
    if own and version in {None, *own}:
        folder = own[max(own) if version is None else version].directory
        return InvalidInput(
            f"{model_id} is a starter model: it lies in {folder} and was not added. To serve it no more, "
            "move that folder away and start GeneQueue again."
        )
    if there:
        versions = ", ".join(map(str, sorted(there)))
        return NotFound(f"{model_id} has no version {version}. The versions that were added: {versions}.")
    return NotFound(f"No model {model_id!r} was added. See `genequeue models list`.")


def _rows(session: Session, model_id: str) -> list[AddedModel]:
    return [row for row in session.scalars(statements.all_models()) if row.model_id == model_id]


def _own(starters: Catalog, model_id: str) -> list[tuple[int, Model]]:
    return [(model.version, model) for model in starters.versions if model.model_id == model_id]


def _check_id(model_id: str) -> None:
    """A public id is the model's own and a suffix; it stands in URLs and in keys of the storage."""
    if not _ID.fullmatch(model_id):
        raise InvalidInput(
            f"model_id {model_id!r} cannot be used: write letters, digits, '.', '_' and '-', 64 at most, "
            "beginning with a letter or a digit. Train it with another --model-id."
        )
    for suffix in (kind.suffix for kind in RequestType if kind.suffix):
        if model_id.endswith(suffix):
            raise InvalidInput(
                f"model_id {model_id!r} cannot be used: {suffix!r} at the end of an id says how a model is "
                "asked. Train it with another --model-id."
            )
