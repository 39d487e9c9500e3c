"""The files of an added model: put into the storage once, fetched from there into a folder of this machine.

The folder is a cache whose names are digests: two processes that fill it at once write the same bytes.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import orjson

from shared.catalog import MANIFEST, Model, open_model, read_manifest
from shared.database.tables import AddedModel
from shared.errors import CheckpointCorrupt, CheckpointError, CheckpointMissing, SetupError
from shared.storage.port import Storage


@dataclass(frozen=True, slots=True)
class StoredModel:
    """Where the files of a version lie, and the SHA-256 of its manifest, which names those of the others."""

    prefix: str
    manifest_digest: str


def store_model(storage: Storage, model: Model, version: int) -> StoredModel:
    """Store the files of a model directory as that version. Raises StorageUnavailable."""
    prefix = f"models/{model.model_id}/{version}"
    for name in model.manifest.digests:
        storage.put(f"{prefix}/{name}", (model.directory / name).read_bytes())
    manifest = orjson.loads((model.directory / MANIFEST).read_bytes()) | {"version": version}
    content = orjson.dumps(manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    storage.put(f"{prefix}/{MANIFEST}", content)
    return StoredModel(prefix, hashlib.sha256(content).hexdigest())


def open_added(storage: Storage, added: AddedModel, cache: Path) -> Model:
    """The model of a row, its files fetched unless the cache has them whole.

    Raises CheckpointError, SetupError if the cache cannot be written, StorageUnavailable.
    """
    directory = cache / added.manifest_digest
    try:
        model = open_model(directory)
    except CheckpointError:  # not fetched yet, or damaged since
        model = _fetch(storage, added, directory)
    return replace(model, added_at=added.added_at)


def forget_model(added: AddedModel, cache: Path) -> None:
    """Remove what the cache has of a model that is deleted."""
    shutil.rmtree(cache / added.manifest_digest, ignore_errors=True)


def _fetch(storage: Storage, added: AddedModel, directory: Path) -> Model:
    """Fetch beside the directory, check, and put in place in one move."""
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetching-", dir=directory.parent) as scratch:
            fresh = Path(scratch, "model")
            fresh.mkdir()
            _fetch_files(storage, added, fresh)
            model = open_model(fresh)
            _put_in_place(fresh, directory, Path(scratch, "damaged"))
    except OSError as error:
        raise SetupError(
            f"The folder {directory.parent} for added models cannot be used: {error.strerror}. "
            "Set GENEQUEUE_MODELS_CACHE to one with room that can be written to."
        ) from error
    return replace(model, directory=directory)


def _fetch_files(storage: Storage, added: AddedModel, fresh: Path) -> None:
    manifest = _stored(storage, f"{added.prefix}/{MANIFEST}")
    if hashlib.sha256(manifest).hexdigest() != added.manifest_digest:
        raise CheckpointCorrupt(f"{added.prefix}/{MANIFEST} was changed in the storage. {_REMEDY}")
    (fresh / MANIFEST).write_bytes(manifest)
    for name, digest in read_manifest(fresh).digests.items():
        content = _stored(storage, f"{added.prefix}/{name}")
        if hashlib.sha256(content).hexdigest() != digest:
            raise CheckpointCorrupt(f"{added.prefix}/{name} was changed in the storage. {_REMEDY}")
        (fresh / name).write_bytes(content)


_REMEDY = "Remove this version with `genequeue models remove` and add the model again."


def _stored(storage: Storage, key: str) -> bytes:
    try:
        return storage.get(key)
    except KeyError:
        raise CheckpointMissing(f"{key} is not in the storage any more. {_REMEDY}") from None


def _put_in_place(fresh: Path, directory: Path, damaged: Path) -> None:
    try:
        fresh.rename(directory)
    except OSError:
        try:
            open_model(directory)  # Another process was quicker: what it fetched is the same.
        except CheckpointError:
            directory.rename(damaged)
            fresh.rename(directory)
