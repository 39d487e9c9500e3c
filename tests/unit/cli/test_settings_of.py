"""Where `genequeue models add` and `remove` find the servers: the environment, or the run on a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.added_models import settings_of
from cli.machine.folder import DataFolder, RunState
from shared.errors import SetupError

STATE = RunState("http://x", "postgresql://told@x/y", "redis://x/0", "file:///told", "/told/models", 1, {})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("GENEQUEUE_DATABASE_URL", "GENEQUEUE_STORAGE_URL", "GENEQUEUE_MODELS_DIR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_a_run_tells_its_database_its_storage_and_its_models(folder: Path) -> None:
    DataFolder(folder).write_state(STATE)
    settings = settings_of(folder)
    assert settings.database_url.get_secret_value() == "postgresql://told@x/y"
    assert (settings.storage_url, settings.models_dir) == ("file:///told", Path("/told/models"))


def test_the_environment_comes_before_a_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    DataFolder(folder).write_state(STATE)
    monkeypatch.setenv("GENEQUEUE_DATABASE_URL", "postgresql://named@x/y")
    monkeypatch.setenv("GENEQUEUE_STORAGE_URL", "s3://named")
    assert settings_of(folder).storage_url == "s3://named"


def test_a_database_without_its_storage_is_refused_by_the_name_of_what_is_missing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENEQUEUE_DATABASE_URL", "postgresql://named@x/y")
    with pytest.raises(SetupError, match="GENEQUEUE_STORAGE_URL"):
        settings_of(folder)


def test_without_a_run_it_says_how_to_start_one(folder: Path) -> None:
    with pytest.raises(SetupError, match="genequeue up"):
        settings_of(folder)
