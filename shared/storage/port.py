"""What GeneQueue asks of an object storage. A key is a path of plain names joined by `/`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Protocol


class Storage(Protocol):
    """A place for objects. Every method raises StorageUnavailable when the place does not answer."""

    def put(self, key: str, data: bytes) -> None:
        """Store an object whole: a reader sees all of it or nothing."""

    def get(self, key: str) -> bytes:
        """The whole object. Raises KeyError if there is none."""

    def keys(self, prefix: str) -> list[str]:
        """The keys below a prefix, sorted."""

    def keys_older_than(self, prefix: str, age: timedelta) -> list[str]:
        """The keys below a prefix whose objects were stored longer ago than that, sorted."""

    def delete_all(self, prefix: str) -> None:
        """Remove every object below a prefix; none is fine."""

    def delete(self, keys: Collection[str]) -> None:
        """Remove these objects; one that is gone already is fine."""

    def check(self) -> None:
        """Write, read and remove a small object."""
