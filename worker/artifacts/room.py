"""Room for what is made: a file lies on local disk until it is whole and stored."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.errors import SetupError

_FULL = {errno.ENOSPC, errno.EDQUOT}
_SENTENCE = (
    "It could not be made: the disk on which this server makes files is full. Whoever runs it can make room "
    "(TMPDIR of the upkeep worker); then ask for it again."
)


@contextmanager
def told_when_full() -> Iterator[None]:
    """Raises SetupError where a disk is full in the block."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise SetupError(_SENTENCE) from error
        raise


def require_room(folder: Path, size: int) -> None:
    """For whoever cannot bear a disk that is full. Raises SetupError where fewer bytes are left."""
    if shutil.disk_usage(folder).free < size:
        raise SetupError(_SENTENCE)
