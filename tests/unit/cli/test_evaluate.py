"""`genequeue evaluate` finds the model that is meant, or says where it looked."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.evaluate import directory_of
from shared.errors import ModelNotFound


def model_at(directory: Path) -> Path:
    directory.mkdir(parents=True)
    (directory / "manifest.json").write_text("{}")
    return directory


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the models, which holds one."""
    model_at(tmp_path / "models" / "gem-1-bulk")
    monkeypatch.setenv("GENEQUEUE_MODELS_DIR", str(tmp_path / "models"))
    return tmp_path / "models"


def test_an_id_is_looked_up_in_the_models_folder(folder: Path) -> None:
    assert directory_of("gem-1-bulk") == folder / "gem-1-bulk"


def test_a_directory_is_taken_as_it_is(folder: Path, tmp_path: Path) -> None:
    own = model_at(tmp_path / "my-lab-bulk")
    assert directory_of(str(own)) == own


def test_what_is_neither_is_refused_with_the_models_there_are(folder: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"gem-9 is neither .* gem-1-bulk\."):
        directory_of("gem-9")
