"""A large file goes up in pieces, behind what is there already, whatever breaks."""

from __future__ import annotations

from pathlib import Path

import pytest

from genequeue.client.calls import Told, quiet
from genequeue.client.errors import QueryRefused, ServerAway
from genequeue.client.queries import Attempt, check, submit
from genequeue.client.submissions import Rows
from genequeue.client.uploads import upload
from tests.support.scripted import LOST, Script, answer, refusal

MIB = 1 << 20
CREATED = answer(201, location="http://x/api/uploads/u1")
DATA = bytes(range(256)) * (20 * MIB // 256)


def at(offset: int) -> object:
    return answer(204, upload_offset=str(offset))


def rows(data: bytes | Path = DATA) -> Rows:
    return Rows("conditions.csv", "text/csv", data, {})


def test_a_file_goes_up_in_pieces_and_its_upload_is_known_before_the_first(tmp_path: Path) -> None:
    path = tmp_path / "conditions.csv"
    path.write_bytes(DATA)
    began, told = list[str](), list[Told]()
    script = Script(CREATED, at(8 * MIB), at(16 * MIB), at(20 * MIB))  # type: ignore[arg-type]
    assert script.play(upload(rows(path), None, began.append, told.append)) == "u1"
    assert script.asked == ["POST /api/uploads", *["PATCH /api/uploads/u1"] * 3]
    assert b"".join(call.content or b"" for call in script.calls[1:]) == DATA
    assert script.calls[0].headers["Upload-Length"] == str(len(DATA))
    assert script.calls[0].headers["Upload-Metadata"] == "filename Y29uZGl0aW9ucy5jc3Y=,filetype dGV4dC9jc3Y="
    assert began == ["u1"]
    assert [one.done for one in told] == [0, 8 * MIB, 16 * MIB, 20 * MIB]


def test_one_that_was_begun_is_carried_on_where_it_stands() -> None:
    script = Script(at(16 * MIB), at(20 * MIB))  # type: ignore[arg-type]
    assert script.play(upload(rows(), "u1", pytest.fail, quiet)) == "u1"
    assert script.asked == ["HEAD /api/uploads/u1", "PATCH /api/uploads/u1"]
    assert script.calls[1].content == DATA[16 * MIB :]


def test_one_that_is_gone_is_begun_anew() -> None:
    began = list[str]()
    script = Script(refusal(410), CREATED, at(20 * MIB))  # type: ignore[arg-type]
    assert script.play(upload(rows(), "old", began.append, quiet)) == "u1"
    assert began == ["u1"]


@pytest.mark.parametrize("broken", [LOST, refusal(503), refusal(409)])
def test_after_a_break_the_server_says_what_it_has(broken: object) -> None:
    script = Script(CREATED, broken, at(3 * MIB), at(11 * MIB), at(19 * MIB), at(20 * MIB))  # type: ignore[arg-type]
    script.play(upload(rows(), None, lambda _: None, quiet))
    assert script.asked[2:4] == ["HEAD /api/uploads/u1", "PATCH /api/uploads/u1"]
    assert script.calls[3].headers["Upload-Offset"] == str(3 * MIB)
    assert script.calls[3].content == DATA[3 * MIB : 11 * MIB]


def test_a_server_that_takes_nothing_is_given_up_after_a_minute() -> None:
    script = Script(CREATED, *[LOST, at(0)] * 99)  # type: ignore[arg-type]
    with pytest.raises(ServerAway):
        script.play(upload(rows(), None, lambda _: None, quiet))
    assert 60 < sum(script.pauses) < 75


def test_what_is_too_large_is_refused_in_the_servers_words() -> None:
    with pytest.raises(QueryRefused, match="at most"):
        Script(refusal(413, "It may have at most 10 bytes.")).play(upload(rows(), None, pytest.fail, quiet))


def attempt(saved: list[str]) -> Attempt:
    return Attempt("key", saved=saved.append, at_once=100)


def test_what_was_uploaded_is_let_go_once_the_query_is_saved() -> None:
    saved = list[str]()
    script = Script(CREATED, at(20 * MIB), answer(202, {"modelQueryId": "q1"}), refusal(500))  # type: ignore[arg-type]
    script.play(submit(rows(), "gem-1-bulk", attempt(saved), quiet))
    assert script.asked[2:] == ["POST /api/models/gem-1-bulk/predict", "DELETE /api/uploads/u1"]
    assert saved == ["q1"]


def test_what_was_uploaded_and_refused_is_let_go() -> None:
    saved = list[str]()
    script = Script(CREATED, at(20 * MIB), refusal(422), answer(204))  # type: ignore[arg-type]
    with pytest.raises(QueryRefused):
        script.play(submit(rows(), "gem-1-bulk", attempt(saved), quiet))
    assert script.asked[-1] == "DELETE /api/uploads/u1"
    assert saved == []


def test_what_was_uploaded_to_be_checked_is_let_go() -> None:
    script = Script(CREATED, at(20 * MIB), answer(200, {"valid": True}), answer(204))  # type: ignore[arg-type]
    assert script.play(check(rows(), "gem-1-bulk", quiet)) == {"valid": True}
    assert script.asked[-1] == "DELETE /api/uploads/u1"
