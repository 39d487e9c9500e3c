"""Whom a server runs as. Postgres refuses to run as root, and containers often are root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from shared.errors import SetupError

_UNSHARE = ("unshare", "--user", "--map-user=1000", "--map-group=1000")


@dataclass(frozen=True, slots=True)
class Account:
    """A user to change to (None: stay who we are), or a command that changes it, as a prefix."""

    uid: int | None = None
    gid: int | None = None
    prefix: tuple[str, ...] = ()

    def take_over(self, folder: Path) -> None:
        """Make a folder and all in it the account's own."""
        uid = os.geteuid() if self.uid is None else self.uid
        gid = os.getegid() if self.gid is None else self.gid
        if folder.stat().st_uid == uid:
            return
        for path in (*folder.rglob("*"), folder):
            os.chown(path, uid, gid, follow_symlinks=False)


OURSELVES = Account()


def account_without_root(*paths: Path) -> Account:
    """An account that is not root and can reach every one of `paths`.

    Raises SetupError if this machine offers none.
    """
    if os.geteuid() != 0:
        return OURSELVES
    nobody = _nobody()
    closed = [folder for path in paths for folder in (path, *path.parents) if not _open_to_all(folder)]
    if nobody is not None and not closed:
        return Account(uid=nobody.pw_uid, gid=nobody.pw_gid)
    if _can_unshare():
        return Account(prefix=_UNSHARE)
    raise SetupError(
        f"Postgres does not run as root, and the user nobody cannot enter {closed[0] if closed else '/'}. "
        "Run this command as an ordinary user, or choose a --data-dir that everyone may enter."
    )


def _nobody() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        return None


def _open_to_all(folder: Path) -> bool:
    return bool(folder.stat().st_mode & 0o001)


def _can_unshare() -> bool:
    if shutil.which(_UNSHARE[0]) is None:
        return False
    return subprocess.run((*_UNSHARE, "true"), capture_output=True, check=False).returncode == 0
