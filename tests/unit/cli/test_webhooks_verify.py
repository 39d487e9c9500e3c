"""`genequeue webhooks verify`: saved requests, genuine and not."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from cli.webhooks.request import Request
from shared.webhooks.keys import PrivateKey, Secret
from shared.webhooks.signatures import Message

SECRET = Secret.new()
BODIES = (b'{"type":"query.ready"}', b'{"a":\r\n\r\n1}\n\n', b"\n\nno json \xff\x00", b"")


def request(body: bytes = BODIES[0], *, age: float = 0, **headers: str) -> Request:
    """A signed request of so many seconds ago."""
    signed = Message("msg_1", body).headers([SECRET], time.time() - age)
    return Request({"content-type": "application/json", **signed, **headers}, body)


def verify(*arguments: object) -> tuple[int, str]:
    ran = CliRunner().invoke(app, ["webhooks", "verify", *map(str, arguments), "--secret", str(SECRET)])
    return ran.exit_code, ran.output


@pytest.mark.parametrize("body", BODIES)
def test_what_is_saved_is_read_again_to_the_byte_and_is_valid(tmp_path: Path, body: bytes) -> None:
    path = request(body).save(tmp_path)
    assert Request.read(path).body == body
    code, said = verify(path)
    assert (code, said.split(":")[0]) == (0, "valid")


def test_each_attempt_of_a_message_has_a_file(tmp_path: Path) -> None:
    assert len({request().save(tmp_path) for _ in range(3)}) == 3


def test_an_id_that_is_a_path_stays_in_the_folder(tmp_path: Path) -> None:
    sent = Request({"webhook-id": "../../etc/x"}, b"")
    assert sent.save(tmp_path).parent == tmp_path


def test_an_altered_body_is_invalid(tmp_path: Path) -> None:
    path = request().save(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"ready", b"failed"))
    code, said = verify(path)
    assert (code, said.split(":")[0]) == (1, "invalid")


def test_a_line_break_that_an_editor_added_is_named(tmp_path: Path) -> None:
    path = request().save(tmp_path)
    path.write_bytes(path.read_bytes() + b"\n")
    code, said = verify(path)
    assert code == 1
    assert "line break" in said


def test_an_old_request_is_valid_unless_it_has_to_be_fresh(tmp_path: Path) -> None:
    path = request(age=3600).save(tmp_path)
    code, said = verify(path)
    assert code == 0
    assert re.search(r"That is 1:0\d:\d\d ago", said)
    code, said = verify(path, "--fresh")
    assert code == 1
    assert "old" in said


def test_a_request_as_it_went_over_the_line_is_read_too(tmp_path: Path) -> None:
    sent = request()
    head = "".join(f"{name.title()}: {value}\r\n" for name, value in sent.headers.items())
    path = tmp_path / "captured.http"
    path.write_bytes(b"POST /hook HTTP/1.1\r\n" + head.encode() + b"\r\n" + sent.body)
    assert verify(path)[0] == 0


def test_headers_may_lie_in_a_file_of_their_own(tmp_path: Path) -> None:
    sent = request()
    body, headers = tmp_path / "body.json", tmp_path / "headers.txt"
    body.write_bytes(sent.body)
    headers.write_text("".join(f"{name}: {value}\n" for name, value in sent.headers.items()))
    assert verify(body, "--headers", headers)[0] == 0


def test_a_public_key_verifies_the_signature_that_it_belongs_to(tmp_path: Path) -> None:
    key = PrivateKey.new()
    body = b'{"type":"query.ready"}'
    path = Request(Message("msg_2", body).headers([SECRET, key], time.time()), body).save(tmp_path)
    for public, code in ((key.public, 0), (PrivateKey.new().public, 1)):
        ran = CliRunner().invoke(app, ["webhooks", "verify", str(path), "--secret", str(public)])
        assert ran.exit_code == code


def test_a_request_without_a_signature_is_invalid_and_says_what_is_missing(tmp_path: Path) -> None:
    path = Request({"content-type": "application/json"}, b"{}").save(tmp_path)
    code, said = verify(path)
    assert code == 1
    assert "webhook-signature" in said
