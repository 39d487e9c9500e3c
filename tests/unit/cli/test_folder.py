"""A data directory: its lock, its private files, what it tells other commands."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cli.machine.folder import DataFolder, RunState
from cli.machine.secret_files import kept_secret, write_private
from shared.errors import SetupError

STATE = RunState(
    "http://127.0.0.1:8000", "postgresql://secret@x/y", "redis://secret@x/0", "file:///x", "/models", 1, {}
)


def test_a_second_run_on_a_folder_is_refused_and_names_the_first(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    with folder.taken(), pytest.raises(SetupError, match=rf"process {os.getpid()}.*--data-dir"):
        with folder.taken():
            pass


def test_a_folder_is_free_again_after_a_run(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    for _ in range(2):
        with folder.taken():
            pass


def test_a_folder_that_cannot_be_made_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match=r"file/data cannot be used: .* --data-dir"):
        with DataFolder(tmp_path / "file" / "data").taken():
            pass


def test_the_state_of_a_run_can_be_read_while_it_runs_and_not_after(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    with folder.taken():
        folder.write_state(STATE)
        assert folder.read_state() == STATE
    with pytest.raises(SetupError, match=r"does not run on .*`genequeue up`"):
        folder.read_state()


def test_a_new_run_does_not_tell_the_state_of_one_that_was_killed(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.write_state(STATE)
    with folder.taken(), pytest.raises(SetupError):
        folder.read_state()


def test_the_passwords_of_a_state_are_not_in_its_repr() -> None:
    assert "secret" not in repr(STATE)


def test_a_state_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    DataFolder(tmp_path).write_state(STATE)
    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o600


def test_a_secret_is_made_once_and_kept_private(tmp_path: Path) -> None:
    secret = kept_secret(tmp_path / "secret")
    assert len(secret) >= 32
    assert kept_secret(tmp_path / "secret") == secret
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_two_folders_have_different_secrets(tmp_path: Path) -> None:
    assert kept_secret(tmp_path / "a") != kept_secret(tmp_path / "b")


def test_a_private_file_is_replaced_whole_even_after_a_crash_in_between(tmp_path: Path) -> None:
    (tmp_path / "file.new").write_text("half of i")
    write_private(tmp_path / "file", "all of it")
    assert (tmp_path / "file").read_text() == "all of it"
