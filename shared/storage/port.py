"""What GeneQueue asks of an object storage. A key is a path of plain names joined by `/`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Written:
    """What an object that was written piece by piece turned out to be; `sha256` in hex."""

    bytes: int
    sha256: str


class Storage(Protocol):
    """A place for objects. Every method raises StorageUnavailable when the place does not answer."""

    def put(self, key: str, data: bytes) -> None:
        """Store an object whole: a reader sees all of it or nothing."""

    def get(self, key: str) -> bytes:
        """The whole object. Raises KeyError if there is none."""

    def size(self, key: str) -> int:
        """How many bytes the object has. Raises KeyError if there is none."""

    def read(self, key: str, first: int, length: int) -> bytes:
        """So many bytes of an object, from byte `first` on.

        Raises KeyError if there is none, and EOFError if it ends before that.
        """

    def stream(self, key: str, first: int = 0, length: int | None = None) -> Iterator[bytes]:
        """An object in pieces of some MiB, or a range of it: one piece is held at a time.

        A reader may take as long as it likes between two. Raises as `read` does, at the piece that is wrong.
        """

    def write_stream(self, key: str, pieces: Iterable[bytes]) -> Written:
        """Store an object of any size from pieces of any size, while they come.

        A reader sees all of it or nothing; what `pieces` raises is raised, and nothing is stored.
        """

    def sign(self, key: str, lifetime: timedelta) -> str | None:
        """An address at which anybody may fetch the object for so long; None where there is none."""

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
