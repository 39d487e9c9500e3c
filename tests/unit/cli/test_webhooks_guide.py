"""The receivers of the guide, taken from its page and run as their readers run them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from cli.machine.ports import free_ports
from shared.webhooks.keys import PrivateKey, Secret
from shared.webhooks.signatures import Message
from tests.support.r import needs_r

PAGE = (Path(__file__).resolve().parents[3] / "docs/guides/webhooks.md").read_text()
PYTHON, R = (re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL) for language in ("python", "r"))
FOR_R = needs_r("plumber", "openssl", "jsonlite")
SECRET, OLD = Secret.new(), Secret.new()
BODY = '{"type":"query.ready","data":{"id":"51238fcd","label":"naïve"}}'.encode()
PATIENCE = 90


def command(block: str, port: int) -> list[str]:
    """What the block's first line says, on a port of the test."""
    line = block.splitlines()[0].removeprefix("# WEBHOOK_SECRET=whsec_... ").replace("3000", str(port))
    words = shlex.split(line)
    return words if words[0] == "Rscript" else [sys.executable, "-m", *words]


@contextmanager
def running(block: str, folder: Path) -> Iterator[tuple[str, Path]]:
    """The receiver's URL, and what it prints."""
    for name in ("receiver.py", "receiver.R"):
        (folder / name).write_text(block)
    port, log = free_ports(1)[0], folder / "log"
    told = {**os.environ, "WEBHOOK_SECRET": str(SECRET), "PYTHONUNBUFFERED": "1"}
    with log.open("w") as output:
        process = subprocess.Popen(
            command(block, port), cwd=folder, env=told, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        url = f"http://127.0.0.1:{port}/hook"
        wait_for(url, process, log)
        yield url, log
    finally:
        process.terminate()
        process.wait(PATIENCE)


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            httpx.get(url, trust_env=False, timeout=PATIENCE)
        except httpx.TransportError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        else:
            return


def send(url: str, *keys: Secret | PrivateKey, age: float = 0, **changed: str) -> int:
    headers = Message(changed.get("id", "msg_1"), BODY).headers(keys, time.time() - age)
    headers |= {name: value for name, value in changed.items() if name not in {"id", "body"}}
    body = changed.get("body", BODY.decode()).encode()
    return httpx.post(url, content=body, headers=headers, trust_env=False, timeout=PATIENCE).status_code


def test_the_page_has_a_receiver_for_each_framework() -> None:
    assert (len(PYTHON), len(R)) == (2, 1)
    assert "FastAPI" in PYTHON[0]
    assert "Flask" in PYTHON[1]
    assert "plumber" in R[0]


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(PYTHON[0], id="fastapi"),
        pytest.param(PYTHON[1], id="flask"),
        pytest.param(R[0], id="plumber", marks=FOR_R),
    ],
)
def test_a_receiver_of_the_page_takes_what_is_genuine_once_and_nothing_else(
    block: str, tmp_path: Path
) -> None:
    with running(block, tmp_path) as (url, log):
        assert send(url, SECRET) == 204
        assert send(url, SECRET) == 204, "a repetition is a success"
        assert send(url, OLD, SECRET, PrivateKey.new(), id="msg_2") == 204, "as while secrets rotate"
        assert send(url, OLD, id="msg_3") == 401
        assert send(url, SECRET, id="msg_3", body="{}") == 401
        assert send(url, SECRET, id="msg_3", age=301) == 401
        assert send(url, SECRET, id="msg_3", **{"webhook-id": "msg_4"}) == 401
        assert send(url, SECRET, id="msg_3", **{"webhook-signature": "nonsense"}) == 401
        assert send(url, id="msg_3") == 401
        deadline = time.monotonic() + PATIENCE
        while log.read_text().count("query.ready 51238fcd") < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
    assert log.read_text().count("query.ready 51238fcd") == 2, log.read_text()
    assert "Traceback" not in log.read_text()
