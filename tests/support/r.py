"""R, where it is installed: scripts run as their readers run them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from tests.support.machine import clean_environment

_SECONDS = 200


def needs_r(*packages: str) -> pytest.MarkDecorator:
    """Skips a test where R or one of its packages is missing; Debian calls them r-cran-<name>."""
    return pytest.mark.skipif(
        not _installed(packages), reason=f"needs Rscript with {', '.join(packages)}: see AGENTS.md"
    )


def run_r(script: Path, *arguments: str, **environment: str) -> str:
    """What a script prints. Fails with what it complained of, if it does not end well."""
    return _output(["Rscript", str(script), *arguments], environment)


def _output(command: list[str], environment: Mapping[str, str]) -> str:
    ran = subprocess.run(
        command, env=clean_environment(environment), capture_output=True, text=True, timeout=_SECONDS
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@cache
def _installed(packages: tuple[str, ...]) -> bool:
    if shutil.which("Rscript") is None:
        return False
    wanted = ", ".join(f'"{package}"' for package in packages)
    ask = f"cat(all(c({wanted}) %in% rownames(installed.packages())))"
    try:
        return _output(["Rscript", "-e", ask], {}) == "TRUE"
    except (AssertionError, OSError):
        return False  # It was left half installed.
