"""The adapters: an obstore store behind the port, on local disk or on S3."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, S3Store

from shared.errors import SetupError, StorageUnavailable

_REMEDY = "Write it as file:///a/folder or s3://bucket/prefix?endpoint=http://host:port&region=name."


@dataclass(frozen=True, slots=True)
class Credentials:
    """An S3 access key; both None where the machine's own role is meant."""

    access_key_id: str | None = None
    secret_access_key: str | None = None

    def __repr__(self) -> str:
        return f"Credentials(access_key_id={'set' if self.access_key_id else 'unset'})"


@dataclass(frozen=True, slots=True)
class ObjectStorage:
    """A storage on any store that obstore knows; `place` is how it is named in messages."""

    store: ObjectStore
    place: str

    def put(self, key: str, data: bytes) -> None:
        """Store an object whole."""
        with self._guarded():
            obstore.put(self.store, key, data)

    def get(self, key: str) -> bytes:
        """The whole object. Raises KeyError if there is none."""
        try:
            with self._guarded():
                return bytes(obstore.get(self.store, key).bytes())
        except FileNotFoundError:
            raise KeyError(key) from None

    def keys(self, prefix: str) -> list[str]:
        """The keys below a prefix, sorted."""
        return self.keys_older_than(prefix, timedelta.min)

    def keys_older_than(self, prefix: str, age: timedelta) -> list[str]:
        """The keys below a prefix whose objects were stored longer ago than that, sorted."""
        with self._guarded():
            found = [meta for batch in obstore.list(self.store, prefix) for meta in batch]
        now = datetime.now(UTC)
        return sorted(meta["path"] for meta in found if now - meta["last_modified"] > age)

    def delete_all(self, prefix: str) -> None:
        """Remove every object below a prefix."""
        self.delete(self.keys(prefix))

    def delete(self, keys: Collection[str]) -> None:
        """Remove these objects; one that is gone already is fine."""
        if keys:
            with suppress(FileNotFoundError), self._guarded():
                obstore.delete(self.store, list(keys))

    def check(self) -> None:
        """Write, read and remove a small object."""
        key = f"health/{uuid4().hex}"
        with self._guarded():
            obstore.put(self.store, key, b"ok")
            obstore.get(self.store, key).bytes()
            obstore.delete(self.store, key)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except (BaseError, OSError) as error:
            raise StorageUnavailable(
                f"The storage {self.place} does not answer: {_first_line(error)}"
            ) from error


def open_storage(url: str, credentials: Credentials | None = None) -> ObjectStorage:
    """The storage that a URL names. Raises SetupError if the URL names none."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return _local(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc:
        return _s3(url, credentials or Credentials())
    raise SetupError(f"GENEQUEUE_STORAGE_URL {url!r} names no storage. {_REMEDY}")


def _local(folder: Path) -> ObjectStorage:
    if not folder.is_absolute():
        raise SetupError(f"The storage folder {str(folder)!r} is not an absolute path. {_REMEDY}")
    try:
        return ObjectStorage(LocalStore(folder, mkdir=True, automatic_cleanup=True), str(folder))
    except (BaseError, OSError) as error:
        raise SetupError(
            f"The storage folder {folder} cannot be used: {_first_line(error)}. "
            "Choose one that can be written to."
        ) from error


def _s3(url: str, credentials: Credentials) -> ObjectStorage:
    parts = urlsplit(url)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    endpoint = options.pop("endpoint", None)
    region = options.pop("region", "us-east-1")
    if options:
        raise SetupError(f"GENEQUEUE_STORAGE_URL has an unknown option {sorted(options)[0]!r}. {_REMEDY}")
    if bool(credentials.access_key_id) != bool(credentials.secret_access_key):
        raise SetupError("An S3 storage needs both an access key id and a secret access key, or neither.")
    named: dict[str, Any] = {
        "prefix": parts.path.strip("/"),
        "endpoint": endpoint,
        "access_key_id": credentials.access_key_id,
        "secret_access_key": credentials.secret_access_key,
    }
    store = S3Store(
        parts.netloc,
        region=region,
        virtual_hosted_style_request=False,
        client_options={"allow_http": True, "timeout": "30s", "connect_timeout": "5s"},
        **{name: value for name, value in named.items() if value},
    )
    return ObjectStorage(store, f"s3://{parts.netloc}{parts.path}")


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0]
