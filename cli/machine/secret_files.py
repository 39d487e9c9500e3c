"""Small private files: passwords and keys that are made once and kept, readable by their owner only."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def kept_secret(file: Path) -> str:
    """The secret in `file`; a new random one is made and kept there if there is none."""
    if file.exists():
        return file.read_text().strip()
    secret = secrets.token_urlsafe(32)
    write_private(file, secret)
    return secret


def write_private(file: Path, text: str) -> None:
    """Write a file whole, mode 0600: a reader sees the old text or the new, never a part."""
    new = file.with_name(file.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(text)
    new.replace(file)
