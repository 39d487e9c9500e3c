"""What a folder remembers of a submit; which outputs are folders; what options are."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.carrying_on import Memory
from cli.fetching import folder_in
from cli.options import read_pairs
from shared.errors import InvalidInput


def test_a_submit_is_remembered_before_anything_is_sent_and_recalled_as_it_was_left(tmp_path: Path) -> None:
    first = Memory.recall(tmp_path / "result", "digest")
    assert first.first
    again = Memory.recall(tmp_path / "result", "digest")
    assert (again.key, again.first) == (first.key, False)
    first.began_upload("u1")
    assert Memory.recall(tmp_path / "result", "digest").upload == "u1"
    first.was_accepted("q1")
    again = Memory.recall(tmp_path / "result", "digest")
    assert (again.key, again.query) == (first.key, "q1")


def test_two_folders_are_two_submits(tmp_path: Path) -> None:
    assert Memory.recall(tmp_path / "a", "digest").key != Memory.recall(tmp_path / "b", "digest").key


def test_a_folder_of_other_conditions_is_refused(tmp_path: Path) -> None:
    Memory.recall(tmp_path, "digest")
    with pytest.raises(InvalidInput, match="other conditions"):
        Memory.recall(tmp_path, "another")


def test_what_was_refused_leaves_the_folder_to_what_is_sent_instead(tmp_path: Path) -> None:
    folder = tmp_path / "result"
    Memory.recall(folder, "digest").was_refused()
    assert not folder.exists()
    memory = Memory.recall(folder, "another")
    (folder / "notes.txt").touch()
    memory.was_refused()
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("content", ["", "{", "{}", '{"strange": 1}', "[]"])
def test_a_memory_that_cannot_be_read_is_a_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / ".genequeue.json").write_text(content)
    with pytest.raises(InvalidInput, match="cannot be read"):
        Memory.recall(tmp_path, "digest")


@pytest.mark.parametrize(
    ("output", "folder"),
    [("result/", "result"), ("result", "result"), ("a.b/", "a.b"), ("x.h5ad", None), ("x.mtx.zip", None)],
)
def test_an_output_is_a_folder_or_a_file(output: str, folder: str | None) -> None:
    assert folder_in(output) == (Path(folder) if folder else None)


def test_a_file_that_cannot_be_written_is_refused_with_those_that_can() -> None:
    with pytest.raises(InvalidInput, match=r"\.xlsx.*\.h5ad.*folder"):
        folder_in("out.xlsx")


def test_an_option_is_json_where_it_can_be_read_as_such() -> None:
    written = ["total_count=5", "priority=bulk", 'client_metadata={"a": "b=c"}', "deterministic_latents=true"]
    assert read_pairs(written) == {
        "total_count": 5,
        "priority": "bulk",
        "client_metadata": {"a": "b=c"},
        "deterministic_latents": True,
    }
    with pytest.raises(InvalidInput, match="name=value"):
        read_pairs(["seed"])
