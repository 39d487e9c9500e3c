"""A real upkeep worker, which sends webhooks, in a process of its own that may be killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.api import SECRET
from tests.support.machine import clean_environment


def environment_of(database_url: str, redis_url: str, folder: Path, **more: str) -> dict[str, str]:
    """What our processes are told: the servers, a folder for objects, and that this machine may be called."""
    given = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "STORAGE_URL": f"file://{folder}/objects",
        "SECRET_KEY": SECRET,
        "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
        **more,
    }
    return clean_environment({f"GENEQUEUE_{name}": value for name, value in given.items()})


@contextmanager
def upkeep_worker(environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """One run of it, which is killed at the end of the block if it is alive; its log is appended to."""
    with log.open("ab") as output:
        command = [sys.executable, "-m", "worker.cpu"]
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        try:
            yield process
        finally:
            process.kill()
            process.wait()
