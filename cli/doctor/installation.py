"""What is examined: the run on a data directory, or the installation that the environment names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sqlalchemy import Engine

from cli.machine.folder import DataFolder, RunState
from cli.options import DEFAULT_URL
from shared.database.engines import sync_engine
from shared.settings import ServerSettings, read_settings


@dataclass(frozen=True, slots=True)
class Installation:
    """Where everything is; `run` is None unless `genequeue up` runs it."""

    settings: ServerSettings
    engine: Engine
    url: str
    folder: DataFolder | None = None
    run: RunState | None = None

    @property
    def disks(self) -> Mapping[str, Path]:
        """The folders that must not fill up, by what they hold."""
        settings = self.settings
        folders = {"models cache": settings.models_cache}
        if self.folder is not None:
            folders["data directory"] = self.folder.path
        parts = urlsplit(settings.storage_url)
        if parts.scheme == "file":
            folders["storage"] = Path(unquote(parts.path))
        return folders

    def log(self, process: str) -> str:
        """Where to read what a process said."""
        return f"Its log is {self.folder.log(process)}." if self.folder else "Its log says why."


def find_installation(data_dir: Path, url: str | None) -> Installation:
    """As the environment says, or the run on that folder. Raises SetupError where neither names one."""
    if os.environ.get("GENEQUEUE_DATABASE_URL"):
        settings = read_settings(ServerSettings)
        return Installation(settings, _engine(settings), url or DEFAULT_URL)
    folder = DataFolder(data_dir.resolve())
    run = folder.read_state()
    settings = read_settings(
        ServerSettings,
        database_url=run.database_url,
        redis_url=run.redis_url,
        storage_url=run.storage_url,
        models_dir=run.models_dir,
        models_cache=folder.models,
    )
    return Installation(settings, _engine(settings), url or run.url, folder, run)


def _engine(settings: ServerSettings) -> Engine:
    # Every examination has a connection of its own.
    return sync_engine(settings.database_url.get_secret_value(), pool_size=8)
