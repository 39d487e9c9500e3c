"""What `genequeue webhooks listen` does with the requests that it gets, on real sockets."""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import orjson
import pytest
from rich.console import Console

from cli.machine.ports import LOCALHOST, listen
from cli.webhooks.inbox import Forward, Inbox
from cli.webhooks.listening import Wanted, hear, is_this_machine
from cli.webhooks.receiver import receiving
from cli.webhooks.request import Request
from genequeue.client import Client
from shared.errors import InvalidInput, SetupError
from shared.webhooks.keys import Secret
from shared.webhooks.signatures import Message
from tests.support.receivers import Reply, receiver

SECRET = Secret.new()
READY = orjson.dumps(
    {
        "type": "query.ready",
        "data": {
            "id": "51238fcd",
            "model_id": "gem-1-bulk",
            "status": "ready",
            "error": None,
            "progress": {"samples_done": 8, "samples_total": 8},
        },
    }
)


class Heard:
    """A receiver that runs, and what it printed."""

    def __init__(self, url: str, screen: io.StringIO) -> None:
        self.url, self._screen = url, screen

    @property
    def said(self) -> str:
        return self._screen.getvalue()

    def send(self, body: bytes = READY, secret: Secret = SECRET, **changed: str) -> httpx.Response:
        headers = Message("msg_1", body).headers([secret], time.time()) | changed
        return httpx.post(self.url, content=body, headers=headers, trust_env=False, timeout=60)


@contextmanager
def hearing(forward: str | None = None, folder: Path | None = None) -> Iterator[Heard]:
    screen, listener = io.StringIO(), listen(LOCALHOST, 0)
    inbox = Inbox(Console(file=screen, width=40), Forward.read(forward) if forward else None, folder)
    inbox.verifier.set_result(SECRET)
    with receiving(listener, inbox.answer):
        yield Heard(f"http://{LOCALHOST}:{listener.getsockname()[1]}/", screen)


def test_a_genuine_event_is_one_line_and_answered_204(tmp_path: Path) -> None:
    with hearing(folder=tmp_path) as heard:
        assert heard.send().status_code == 204
    assert heard.said.split()[1:] == ["query.ready", "51238fcd", "gem-1-bulk", "8/8", "ready"]
    assert heard.said.count("\n") == 1
    (saved,) = tmp_path.iterdir()
    assert Request.read(saved).body == READY


def test_a_forged_event_is_a_warning_and_goes_no_further(tmp_path: Path) -> None:
    with receiver() as theirs, hearing(theirs.url, tmp_path) as heard:
        assert heard.send(secret=Secret.new()).status_code == 401
        assert heard.send(**{"webhook-timestamp": "1"}).status_code == 401
    assert heard.said.count("Warning: msg_1 was refused") == 2
    assert theirs.requests == []
    assert list(tmp_path.iterdir()) == []


def test_a_repeated_message_says_so() -> None:
    with hearing() as heard:
        heard.send()
        heard.send()
    assert "came before" not in heard.said.splitlines()[0]
    assert "came before" in heard.said.splitlines()[1]


def test_the_other_receiver_gets_the_bytes_and_the_sender_its_answer() -> None:
    slow_down = Reply(503, {"retry-after": "7"}, b"later")
    with receiver(lambda _: slow_down) as theirs, hearing(theirs.url) as heard:
        answer = heard.send()
    (request,) = theirs.requests
    assert request.body == READY
    assert request.verified(SECRET)["type"] == "query.ready"
    assert (answer.status_code, answer.headers["retry-after"], answer.content) == (503, "7", b"later")
    assert "-> 503" in heard.said


def test_another_receiver_that_is_away_is_502_and_said() -> None:
    with socket.socket() as away:
        away.bind((LOCALHOST, 0))  # kept from others, and not listened at
        with hearing(f"{LOCALHOST}:{away.getsockname()[1]}/hook") as heard:
            assert heard.send().status_code == 502
            assert heard.send().status_code == 502
    assert "does not answer" in heard.said


def test_what_is_no_post_of_a_known_length_is_refused() -> None:
    with hearing() as heard:
        with httpx.Client(trust_env=False, timeout=60) as sender:
            assert sender.get(heard.url).status_code == 501
            assert sender.post(heard.url, content=iter([b"{}"])).status_code == 411
        assert heard.send().status_code == 204


def test_escape_sequences_of_strangers_do_not_reach_the_terminal() -> None:
    with hearing() as heard:
        heard.send(secret=Secret.new(), **{"webhook-id": "\x1b[2J"})
    assert "\x1b" not in heard.said
    assert "A request was refused" in heard.said


@pytest.mark.parametrize("written", ["ftp://x/", "http://", "http://[::1"])
def test_a_forward_that_is_no_url_is_a_sentence(written: str) -> None:
    with pytest.raises(InvalidInput, match="--forward"):
        Forward.read(written)


def test_this_machine_is_told_from_others() -> None:
    assert is_this_machine("127.0.0.1")
    assert is_this_machine("localhost")
    assert not is_this_machine("203.0.113.7")


@pytest.mark.parametrize(
    ("url", "host", "said"),
    [
        ("http://203.0.113.7:8000", "127.0.0.1", "another machine.*--host.*ALLOWED_NETWORKS.*--public-url"),
        ("http://127.0.0.1:8000", "0.0.0.0", "every address of this machine.*--public-url"),
        ("http://127.0.0.1:8000", "203.0.113.7", "203.0.113.7"),
    ],
    ids=["the API is elsewhere", "every address", "an address of another machine"],
)
def test_where_the_api_would_not_find_it_says_what_to_do(url: str, host: str, said: str) -> None:
    with pytest.raises(SetupError, match=said):
        hear(Client(url, None), Wanted(host), Inbox(Console(file=io.StringIO())))
