"""Compose files fit their schema; images copy paths that exist and start commands that are there.

No engine builds them here: what an image would hold lies in a folder, and its process is imported from it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
DOCKERFILES = sorted((ROOT / "deploy").glob("*.Dockerfile"))
COMPOSE_FILES = [ROOT / "docker-compose.yml", ROOT / "deploy" / "docker-compose.gpu.yml"]
APIS = ("api-1", "api-2")
# What no image but the generation worker's may load.
FORBIDDEN = {"api": ("torch", "worker"), "upkeep": ("torch", "api"), "generation": ("api", "fastapi")}


def services() -> dict[str, dict[str, Any]]:
    loaded: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE_FILES[0].read_text())["services"]
    return loaded


def copied(dockerfile: Path) -> list[str]:
    return [
        source
        for line in dockerfile.read_text().splitlines()
        if line.startswith("COPY ")
        for source in line.split()[1:-1]
    ]


@pytest.mark.parametrize("path", COMPOSE_FILES, ids=lambda path: path.name)
def test_a_compose_file_fits_the_compose_schema(path: Path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


def test_every_service_that_is_built_has_its_dockerfile() -> None:
    built = {
        name: service["build"]["dockerfile"] for name, service in services().items() if "build" in service
    }
    assert set(built) >= {*APIS, "generation", "upkeep", "migrate"}
    assert all((ROOT / dockerfile).is_file() for dockerfile in built.values())


def test_the_gpu_file_changes_only_services_that_exist() -> None:
    assert set(yaml.safe_load(COMPOSE_FILES[1].read_text())["services"]) <= set(services())


def test_every_setting_that_compose_hands_down_is_one_that_the_code_reads() -> None:
    environments = [service.get("environment", {}) for service in services().values()]
    handed = {name for environment in environments for name in environment if name.startswith("GENEQUEUE_")}
    settings = (ROOT / "shared" / "settings.py").read_text()
    unread = {
        name
        for name in handed
        if name not in settings and f"{name.removeprefix('GENEQUEUE_').lower()}: " not in settings
    }
    assert len(handed) > 5
    assert unread == set()


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.stem)
def test_what_an_image_copies_exists(dockerfile: Path) -> None:
    assert all((ROOT / source).exists() for source in copied(dockerfile))


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.stem)
def test_an_image_starts_from_what_it_copies_and_loads_nothing_that_is_not_its_own(
    dockerfile: Path, tmp_path: Path
) -> None:
    for source in copied(dockerfile):
        if (ROOT / source).is_dir() and source != "models":
            shutil.copytree(ROOT / source, tmp_path / source, ignore=shutil.ignore_patterns("__pycache__"))
    module = {"api": "api.__main__", "generation": "worker.gpu", "upkeep": "worker.cpu"}[dockerfile.stem]
    assert f'"-m", "{module.removesuffix(".__main__")}"' in dockerfile.read_text()
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import {module}; "
        f"print([name for name in {FORBIDDEN[dockerfile.stem]!r} if name in sys.modules])"
    )
    # -I keeps the checkout's own folders off the path, -S its editable install.
    paths = [path for path in sys.path if path.endswith("site-packages")]
    program = f"import sys; sys.path += {paths!r}; " + program
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, cwd=tmp_path
    )
    assert ran.stdout.strip() == "[]", ran.stderr
