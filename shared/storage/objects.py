"""The adapters: an obstore store behind the port, on local disk or on S3."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
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
from shared.storage.port import Written

_REMEDY = "Write it as file:///a/folder or s3://bucket/prefix?endpoint=http://host:port&region=name."
_PIECE = 4 << 20  # bytes that are read at once, and written as one part of a multipart upload twice as many
_PARTS_UNDER_WAY = 2
_LONGEST_SIGNATURE = timedelta(days=7)  # S3 takes none that holds for longer


@dataclass(frozen=True, slots=True)
class Credentials:
    """An S3 access key; both None where the machine's own role is meant."""

    access_key_id: str | None = None
    secret_access_key: str | None = None

    def __repr__(self) -> str:
        return f"Credentials(access_key_id={'set' if self.access_key_id else 'unset'})"


@dataclass(frozen=True, slots=True)
class ObjectStorage:
    """A storage on any store that obstore knows; `place` is how it is named in messages.

    `outside` is the same S3 at the address where clients reach it, if they do.
    """

    store: ObjectStore
    place: str
    outside: S3Store | None = None

    def put(self, key: str, data: bytes) -> None:
        """Store an object whole."""
        with self._guarded():
            obstore.put(self.store, key, data)

    def get(self, key: str) -> bytes:
        """The whole object. Raises KeyError if there is none."""
        with self._there(key):
            return bytes(obstore.get(self.store, key).bytes())

    def size(self, key: str) -> int:
        """How many bytes the object has. Raises KeyError if there is none."""
        with self._there(key):
            return obstore.head(self.store, key)["size"]

    def read(self, key: str, first: int, length: int) -> bytes:
        """So many bytes of an object. Raises KeyError if there is none, EOFError if it ends before that."""
        if not length:
            return b""
        try:
            with self._there(key):
                found = bytes(obstore.get_range(self.store, key, start=first, length=length))
        except StorageUnavailable:
            # A range that begins beyond the end is refused like anything else; only the size tells.
            if first < self.size(key):
                raise
            found = b""
        if len(found) < length:
            raise EOFError(f"{key} ends before byte {first + length}")
        return found

    def stream(self, key: str, first: int = 0, length: int | None = None) -> Iterator[bytes]:
        """An object in pieces, or a range of it. Each is a request of its own: no reader holds one open."""
        end = self.size(key) if length is None else first + length
        for place in range(first, end, _PIECE):
            yield self.read(key, place, min(_PIECE, end - place))

    def write_stream(self, key: str, pieces: Iterable[bytes]) -> Written:
        """Store an object while its pieces come, in parts of twice a piece; two are under way at once."""
        digest, length = hashlib.sha256(), 0

        def counted() -> Iterator[bytes]:
            nonlocal length
            for piece in pieces:
                digest.update(piece)
                length += len(piece)
                yield piece

        with self._guarded():
            obstore.put(
                self.store,
                key,
                counted(),
                use_multipart=True,
                chunk_size=2 * _PIECE,
                max_concurrency=_PARTS_UNDER_WAY,
            )
        return Written(length, digest.hexdigest())

    def sign(self, key: str, lifetime: timedelta) -> str | None:
        """A presigned URL for the address that clients reach; None on disk, and where they reach no S3."""
        if self.outside is None:
            return None
        with self._guarded():
            return obstore.sign(self.outside, "GET", key, min(lifetime, _LONGEST_SIGNATURE))

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
    def _there(self, key: str) -> Iterator[None]:
        try:
            with self._guarded():
                yield
        except FileNotFoundError:
            raise KeyError(key) from None

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


def open_storage(
    url: str, credentials: Credentials | None = None, public_endpoint: str | None = None
) -> ObjectStorage:
    """The storage that a URL names; `public_endpoint` is where clients reach an S3, for presigned URLs.

    Raises SetupError if the URL names none.
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        return _local(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc:
        inside, outside = _Bucket.of(url, credentials or Credentials()), None
        if public_endpoint:
            outside = inside.at(_checked(public_endpoint))
        return ObjectStorage(inside.at(inside.endpoint), f"s3://{parts.netloc}{parts.path}", outside)
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


@dataclass(frozen=True, slots=True)
class _Bucket:
    """Where in an S3 objects lie, and who asks; `endpoint` is None for Amazon's own."""

    name: str
    prefix: str
    region: str
    endpoint: str | None
    credentials: Credentials

    @classmethod
    def of(cls, url: str, credentials: Credentials) -> _Bucket:
        """As a GENEQUEUE_STORAGE_URL says. Raises SetupError for what it cannot say."""
        parts = urlsplit(url)
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        endpoint, region = options.pop("endpoint", None), options.pop("region", "us-east-1")
        if options:
            unknown = sorted(options)[0]
            raise SetupError(f"GENEQUEUE_STORAGE_URL has an unknown option {unknown!r}. {_REMEDY}")
        if bool(credentials.access_key_id) != bool(credentials.secret_access_key):
            raise SetupError("An S3 storage needs both an access key id and a secret access key, or neither.")
        return cls(parts.netloc, parts.path.strip("/"), region, endpoint, credentials)

    def at(self, endpoint: str | None) -> S3Store:
        """A store that asks, and signs for, this endpoint."""
        named: dict[str, Any] = {
            "prefix": self.prefix,
            "endpoint": endpoint,
            "access_key_id": self.credentials.access_key_id,
            "secret_access_key": self.credentials.secret_access_key,
        }
        return S3Store(
            self.name,
            region=self.region,
            virtual_hosted_style_request=False,
            client_options={"allow_http": True, "timeout": "30s", "connect_timeout": "5s"},
            **{name: value for name, value in named.items() if value},
        )


def _checked(endpoint: str) -> str:
    """An endpoint without a path: what stands before an S3 and takes one away would break the signatures."""
    parts = urlsplit(endpoint.rstrip("/"))
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path or parts.query:
        raise SetupError(
            f"GENEQUEUE_STORAGE_PUBLIC_ENDPOINT {endpoint!r} is no address of an S3. Write it as "
            "https://host:port, without a path."
        )
    return endpoint.rstrip("/")


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0]
