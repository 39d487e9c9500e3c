"""A download is carried on after a break, is what its digest says, and is in place whole or not at all."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from genequeue.client.calls import Answer, Call
from genequeue.client.downloads import Download, repr_digest
from genequeue.client.errors import DownloadDamaged, NotThere, ServerAway
from tests.support.scripted import LOST, Script, answer, refusal

DATA = bytes(range(256)) * 40
SHA256 = hashlib.sha256(DATA).hexdigest()
DIGEST = f"sha-256=:{b64encode(bytes.fromhex(SHA256)).decode()}:"
GET = Call("GET", "/part")


class Sending(Script):
    """A script whose answers have bodies: what a sink is given before the answer, or the break, is there."""

    def __init__(self, *bodies: tuple[Any, bytes, Answer | ServerAway]) -> None:
        super().__init__(*(last for _, _, last in bodies))
        self._bodies = iter(bodies)

    def play(self, steps: Any) -> Any:
        return super().play(self._feeding(steps))

    def _feeding(self, steps: Any) -> Any:
        got = None
        try:
            wish = steps.send(None)
            while True:
                if isinstance(wish, Call):
                    begun, body, _ = next(self._bodies)
                    if begun is not None and wish.sink is not None:
                        wish.sink.begin(begun.status, begun.headers)
                        wish.sink.write(body)
                try:
                    got = yield wish
                except ServerAway as away:
                    wish = steps.throw(away)
                else:
                    wish = steps.send(got)
        except StopIteration as end:
            return end.value


def whole(**headers: str) -> Answer:
    return answer(200, content_length=str(len(DATA)), **headers)


def test_a_file_is_in_place_once_it_is_whole(tmp_path: Path) -> None:
    target, told = tmp_path / "new" / "part", list[tuple[int, int]]()
    sent = Sending((whole(), DATA, whole(repr_digest=DIGEST)))
    sent.play(Download(GET, target, told=lambda done, total: told.append((done, total))).steps())
    assert target.read_bytes() == DATA
    assert list(target.parent.iterdir()) == [target]
    assert told == [(len(DATA), len(DATA))]


def test_after_a_break_only_the_rest_is_asked_for(tmp_path: Path) -> None:
    rest = answer(206, content_length=str(len(DATA) - 100))
    sent = Sending((whole(etag='"1"'), DATA[:100], LOST), (rest, DATA[100:], rest))
    sent.play(Download(GET, tmp_path / "part", SHA256).steps())
    assert (tmp_path / "part").read_bytes() == DATA
    assert sent.calls[1].headers == {"Range": "bytes=100-", "If-Range": '"1"'}


def test_what_a_killed_run_left_is_used_where_the_digest_is_known_and_else_forgotten(tmp_path: Path) -> None:
    for digest, ranged in [(SHA256, {"Range": "bytes=100-"}), (None, {})]:
        (tmp_path / ".part.partial").write_bytes(DATA[:100])
        begun = answer(206) if digest else answer(200)
        sent = Sending((begun, DATA[100:] if digest else DATA, begun))
        sent.play(Download(GET, tmp_path / "part", digest).steps())
        assert (tmp_path / "part").read_bytes() == DATA
        assert sent.calls[0].headers == ranged


def test_a_whole_answer_to_a_range_begins_anew(tmp_path: Path) -> None:
    sent = Sending((whole(), DATA[:100], LOST), (whole(), DATA, whole()))
    sent.play(Download(GET, tmp_path / "part", SHA256).steps())
    assert (tmp_path / "part").read_bytes() == DATA


def test_one_that_was_whole_when_it_was_killed_is_not_sent_again(tmp_path: Path) -> None:
    (tmp_path / ".part.partial").write_bytes(DATA)
    sent = Sending()
    sent.play(Download(GET, tmp_path / "part", SHA256).steps())
    assert sent.calls == []
    assert (tmp_path / "part").read_bytes() == DATA


def test_a_range_that_the_server_does_not_have_begins_anew(tmp_path: Path) -> None:
    (tmp_path / ".part.partial").write_bytes(DATA + b"more")
    sent = Sending((None, b"", refusal(416)), (whole(), DATA, whole()))
    sent.play(Download(GET, tmp_path / "part", SHA256).steps())
    assert (tmp_path / "part").read_bytes() == DATA


@pytest.mark.parametrize("digest", [SHA256, None])
def test_a_changed_byte_is_not_put_in_place(tmp_path: Path, digest: str | None) -> None:
    end = whole(repr_digest=DIGEST)
    sent = Sending((end, b"\1" + DATA[1:], end))
    with pytest.raises(DownloadDamaged, match=r"part came damaged"):
        sent.play(Download(GET, tmp_path / "part", digest).steps())
    assert list(tmp_path.iterdir()) == []


def test_other_answers_change_no_file(tmp_path: Path) -> None:
    sent = Sending((None, b"", answer(202)), (None, b"", refusal(404)))
    assert sent.play(Download(GET, tmp_path / "part").steps()).status == 202
    with pytest.raises(NotThere):
        sent.play(Download(GET, tmp_path / "part").steps())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("header", ["", "sha-512=:AAAA:", "sha-256=:???:"])
def test_a_digest_that_cannot_be_read_is_none(header: str) -> None:
    assert repr_digest({"repr-digest": header}) is None
    assert repr_digest({"repr-digest": f"{header}, {DIGEST}"}) in {SHA256, None}
