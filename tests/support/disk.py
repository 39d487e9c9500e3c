"""A small disk of its own for the results, so that it can be full for a while.

It is a tmpfs, which takes the right to mount; without that right it is a plain folder that is never full.
"""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_SIZE = "2g"  # ten stormy minutes leave three quarters of a gigabyte
_FILLER = "filler"
_STEPS = (64 << 20, 1 << 20, 1 << 16, 1 << 12)


@dataclass(frozen=True, slots=True)
class Disk:
    """Where the storage lies; `bounded` says whether it can be filled."""

    folder: Path
    bounded: bool

    @property
    def objects(self) -> Path:
        """The storage's own folder."""
        return self.folder / "objects"

    def fill(self) -> None:
        """Leave no byte free. Does nothing where the disk is not bounded."""
        if not self.bounded:
            return
        with (self.folder / _FILLER).open("wb") as filler:
            for step in _STEPS:
                while _grow(filler.fileno(), step):
                    pass

    def empty(self) -> None:
        """Give back what `fill` took."""
        (self.folder / _FILLER).unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path, size: str = _SIZE) -> Iterator[Disk]:
    """A disk at `folder`; gone at the end where it was mounted."""
    folder.mkdir(parents=True)
    bounded = _mounted(folder, size)
    try:
        yield Disk(folder, bounded)
    finally:
        if bounded:
            with suppress(subprocess.CalledProcessError):
                subprocess.run(("umount", "--lazy", str(folder)), check=True, capture_output=True)


def _mounted(folder: Path, size: str) -> bool:
    command = ("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def _grow(descriptor: int, by: int) -> bool:
    try:
        os.posix_fallocate(descriptor, os.fstat(descriptor).st_size, by)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False
    return True
