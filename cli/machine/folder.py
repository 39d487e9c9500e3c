"""A data directory: what lies where in it, who runs on it, and what other commands may know of that run."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from cli.machine.secret_files import write_private
from shared.errors import SetupError

_STATE = "state.json"
_LOCK = "lock"
DATA_DIR = Path(".genequeue")


@dataclass(frozen=True, slots=True)
class RunState:
    """A run of `genequeue up`: where its servers are, its processes by name, its rolling restarts."""

    url: str
    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    storage_url: str
    models_dir: str
    pid: int
    processes: Mapping[str, int]
    restarts_begun: int = 0
    restarts_ended: int = 0
    restart_fault: str | None = None  # why the last one did not go through


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The directory under which one machine keeps all that it has; `path` is absolute."""

    path: Path

    @property
    def postgres(self) -> Path:
        """The embedded Postgres: cluster, password, port."""
        return self.path / "postgres"

    @property
    def valkey(self) -> Path:
        """The embedded Valkey: append-only file, password, port."""
        return self.path / "valkey"

    @property
    def objects(self) -> Path:
        """The object storage on local disk."""
        return self.path / "objects"

    @property
    def models(self) -> Path:
        """Added models, fetched from the storage."""
        return self.path / "models"

    @property
    def secret_key(self) -> Path:
        """The key that signs download links."""
        return self.path / "secret-key"

    def log(self, process: str) -> Path:
        """The log of a process."""
        return self.path / "logs" / f"{process}.log"

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Make the folder if need be and hold it for one run. Raises SetupError if another run has it.

        The lock is the kernel's: it goes with the process, however that ends.
        """
        try:
            (self.path / "logs").mkdir(parents=True, exist_ok=True)
            lock = (self.path / _LOCK).open("a+")
        except OSError as error:
            raise SetupError(
                f"The data directory {self.path} cannot be used: {error.strerror}. "
                "Choose one that can be written to with --data-dir."
            ) from error
        with lock:
            if not _lock(lock):
                lock.seek(0)
                raise SetupError(
                    f"GeneQueue runs on {self.path} already (process {lock.read().strip() or 'unknown'}). "
                    "Stop that one first, or choose another --data-dir."
                )
            (self.path / _STATE).unlink(missing_ok=True)  # of a run that was killed
            lock.truncate(0)
            lock.write(f"{os.getpid()}\n")
            lock.flush()
            try:
                yield
            finally:
                (self.path / _STATE).unlink(missing_ok=True)

    @property
    def is_taken(self) -> bool:
        """Whether a run has it: its state file may be that of one which was killed."""
        try:
            with (self.path / _LOCK).open("r+") as lock:
                return not _lock(lock)
        except FileNotFoundError:
            return False

    def write_state(self, state: RunState) -> None:
        """Tell other commands; the file holds passwords and is private."""
        write_private(self.path / _STATE, json.dumps(asdict(state), indent=1))

    def read_state(self) -> RunState:
        """What the run on this folder told. Raises SetupError if there is none."""
        try:
            return RunState(**json.loads((self.path / _STATE).read_text()))
        except FileNotFoundError:
            raise SetupError(
                f"GeneQueue does not run on {self.path}. Start it with `genequeue up`, name its folder with "
                "--data-dir, or set GENEQUEUE_DATABASE_URL."
            ) from None
        except PermissionError:
            raise SetupError(
                f"The run on {self.path} belongs to another user. Run this command as that user."
            ) from None


def _lock(file: IO[str]) -> bool:
    """Whether the file could be locked, for as long as it is open."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
