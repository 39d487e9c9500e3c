"""A submit into a folder that is killed anywhere goes on with the same command, and submits nothing twice."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.carrying_on import Memory
from genequeue.client import Client, QueryRefused, folders, queries
from genequeue.client.calls import Call, quiet
from genequeue.client.queries import Attempt
from genequeue.client.submissions import Submission, digest_of, read_submission
from genequeue.client.verification import verify
from tests.support.machine import Machine, genequeue
from tests.support.processes import wait_until

MODEL = "gem-1-bulk"
TISSUES = ("UBERON:0002107", "UBERON:0000948", "UBERON:0001264")


class Killed(BaseException):
    """The process is gone."""


class Mortal(Client):
    """A client whose process dies at its n-th request: before it is sent, or before its answer is read."""

    def __init__(self, machine: Machine, requests: int, *, answered: bool) -> None:
        super().__init__(machine.url, machine.key)
        self._left, self._answered = requests, answered

    def play(self, steps: Any) -> Any:
        return super().play(self._counting(steps))

    def _counting(self, steps: Any) -> Iterator[Any]:
        wish = next(steps)
        while True:
            if isinstance(wish, Call):
                self._left -= 1
                if self._left == 0 and not self._answered:
                    raise Killed
            got = yield wish
            if isinstance(wish, Call) and self._left == 0:
                raise Killed
            try:
                wish = steps.send(got)
            except StopIteration as end:
                return end.value


def conditions(folder: Path, rows: int, bad: tuple[int, ...] = ()) -> Path:
    """A file of conditions; the rows in `bad` have no such sex."""
    path = folder / "conditions.csv"
    lines = [f"{TISSUES[row % 3]},{'femail' if row in bad else 'female'},1,row-{row}" for row in range(rows)]
    path.write_text("\n".join(["tissue_ontology_id,sex,num_samples,custom_id", *lines]) + "\n")
    return path


def submit(client: Client, what: Submission, folder: Path) -> str:
    """What the command does, with an upload of a few hundred bytes a piece."""
    memory = Memory.recall(folder, digest_of(what, MODEL))
    if memory.query is None:
        attempt = Attempt(memory.key, memory.upload, memory.began_upload, memory.was_accepted, at_once=100)
        client.play(queries.submit(what, MODEL, attempt, quiet))
    assert memory.query is not None
    client.play(folders.gather(memory.query, folder, quiet))
    return memory.query


@pytest.mark.parametrize("answered", [False, True], ids=["before", "after"])
def test_killed_at_any_request_it_is_one_query_and_a_whole_result(
    machine: Machine, tmp_path: Path, answered: bool
) -> None:
    what = read_submission(conditions(tmp_path, 20), MODEL, {"seed": 7})
    requests, folder = 0, tmp_path / "result"
    with Client(machine.url, machine.key) as client:
        before = len(client.get("/api/model-queries", limit=200)["model_queries"])
        while True:
            requests += 1
            try:
                # A new process each time: all that it knows is in the folder.
                submit(Mortal(machine, requests=requests, answered=answered), what, folder)
                break
            except Killed:
                assert requests < 30
        assert requests > 3
        assert len(client.get("/api/model-queries", limit=200)["model_queries"]) == before + 1
    assert verify(folder).samples == 20


def holds(path: Path, text: str) -> bool:
    return path.exists() and text in path.read_text()


def test_kill_9_and_the_same_command_again(machine: Machine, tmp_path: Path) -> None:
    path, folder = conditions(tmp_path, 600), tmp_path / "result"
    command = genequeue("submit", str(path), "--model", MODEL, "-o", f"{folder}/", "--seed", "3")
    told = {**os.environ, "GENEQUEUE_URL": machine.url, "GENEQUEUE_API_KEY": machine.key}
    moments: list[Callable[[], bool]] = [
        (folder / ".genequeue.json").exists,
        lambda: holds(folder / ".genequeue.json", '"query": "'),
        lambda: any(folder.glob("part-*.parquet")),
    ]
    for moment in moments:
        with subprocess.Popen(
            command, env=told, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            wait_until(lambda moment=moment: moment() or process.poll() is not None, seconds=120)  # type: ignore[misc]
            process.send_signal(signal.SIGKILL)
    done = subprocess.run(command, env=told, capture_output=True, text=True, check=True)
    assert "600 of 600 samples" in done.stderr
    assert verify(folder).samples == 600
    said = machine.talk("verify", str(folder))
    assert "600 samples" in said
    assert done.stdout.strip() in said
    with Client(machine.url, machine.key) as client:
        listed = client.get("/api/model-queries", limit=200)["model_queries"]
    assert sum(job["progress"]["samples_total"] == 600 for job in listed) == 1


def test_a_changed_byte_fails_verify_by_name(machine: Machine, tmp_path: Path) -> None:
    path, folder = conditions(tmp_path, 3), tmp_path / "result"
    machine.talk("submit", str(path), "--model", MODEL, "-o", f"{folder}/")
    part = folder / "part-000000.parquet"
    content = bytearray(part.read_bytes())
    content[1_000] ^= 1
    part.write_bytes(content)
    with pytest.raises(subprocess.CalledProcessError) as failed:
        machine.talk("verify", str(folder))
    assert failed.value.returncode == 1


def test_bad_rows_are_told_with_their_lines_or_left_out(machine: Machine, tmp_path: Path) -> None:
    path = conditions(tmp_path, 50, bad=(10, 20, 30))
    with Client(machine.url, machine.key) as client:
        with pytest.raises(QueryRefused) as refused:
            client.submit(path, MODEL)
        assert [fault.place for fault in refused.value.faults] == [
            f"line {row + 2}, inputs[{row}].metadata.sex" for row in (10, 20, 30)
        ]
        query = client.submit(path, MODEL, on_error="skip")
        assert query.rejected_rows == 3
        table = query.result().to_arrow()
    assert table.num_rows == 47
    assert "row-11" in table.column("custom_id").to_pylist()
    assert "row-10" not in table.column("custom_id").to_pylist()


def test_after_a_refusal_the_same_folder_takes_what_was_mended(machine: Machine, tmp_path: Path) -> None:
    folder = tmp_path / "result"
    with pytest.raises(subprocess.CalledProcessError) as refused:
        machine.talk("submit", str(conditions(tmp_path, 5, bad=(2,))), "--model", MODEL, "-o", f"{folder}/")
    assert "line 4, inputs[2].metadata.sex" in refused.value.stderr
    assert not folder.exists()
    machine.talk("submit", str(conditions(tmp_path, 5)), "--model", MODEL, "-o", f"{folder}/")
    assert verify(folder).samples == 5


def test_what_another_run_began_is_kept_when_a_later_one_has_no_key(machine: Machine, tmp_path: Path) -> None:
    path, folder = conditions(tmp_path, 5), tmp_path / "result"
    begun = Memory.recall(folder, digest_of(read_submission(path, MODEL, {}), MODEL))
    with pytest.raises(subprocess.CalledProcessError) as refused:
        machine.talk("submit", str(path), "--model", MODEL, "-o", f"{folder}/", "--key", "gq_wrong")
    assert "not known here" in refused.value.stderr
    assert Memory.recall(folder, begun.submitted).key == begun.key


def test_a_file_is_checked_without_running_it(machine: Machine, tmp_path: Path) -> None:
    with Client(machine.url, machine.key) as client:
        before = newest(client)
        said = machine.talk("submit", str(conditions(tmp_path, 30)), "--model", MODEL, "--check")
        assert "30 inputs, 30 samples" in said
        with pytest.raises(QueryRefused, match=r"sex"):
            client.check(conditions(tmp_path, 30, bad=(3,)), MODEL)
        assert newest(client) == before


def newest(client: Client) -> list[str]:
    return [job["id"] for job in client.get("/api/model-queries", limit=1)["model_queries"]]


def test_the_time_of_a_second_run_is_that_of_a_look(machine: Machine, tmp_path: Path) -> None:
    path, folder = conditions(tmp_path, 5), tmp_path / "result"
    arguments = ("submit", str(path), "--model", MODEL, "-o", f"{folder}/")
    first = machine.talk(*arguments)
    before = {each: each.stat().st_mtime_ns for each in folder.glob("part-*")}
    assert machine.talk(*arguments) == first
    assert {each: each.stat().st_mtime_ns for each in folder.glob("part-*")} == before
