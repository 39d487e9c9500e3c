"""`genequeue webhooks` against a running machine, as somebody uses it who writes a receiver."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli.webhooks.request import Request
from genequeue.client import Client
from shared.webhooks.keys import Secret
from shared.webhooks.signatures import verify
from tests.support.commands import run_command
from tests.support.machine import ROOT, Machine
from tests.support.receivers import Reply, receiver

QUERY = {
    "sampling_strategy": "mean estimation",
    "seed": 4,
    "inputs": [{"metadata": {"tissue_ontology_id": "UBERON:0002107"}, "num_samples": 3}],
}
PATIENCE = 120


def genequeue(machine: Machine, *arguments: object) -> subprocess.CompletedProcess[str]:
    return run_command(environment(machine), "webhooks", *arguments)


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "cli.main", "webhooks", *map(str, arguments)]


def environment(machine: Machine) -> dict[str, str]:
    return {**os.environ, "GENEQUEUE_URL": machine.url, "GENEQUEUE_API_KEY": machine.key}


class Listening:
    """A running `genequeue webhooks listen`."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process, self._log = process, log

    @property
    def said(self) -> str:
        return self._log.read_text()

    def wait_for(self, pattern: str) -> str:
        deadline = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self.said)):
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.05)
        return found.group()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(PATIENCE) == 0, self.said


@contextmanager
def listening(machine: Machine, folder: Path, *options: object) -> Iterator[Listening]:
    log = folder / "listen.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command("listen", *options),
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment(machine),
            start_new_session=True,
        )
    try:
        made = Listening(process, log)
        made.wait_for("webhook.ping")
        yield made
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(PATIENCE)


def registered(client: Client) -> list[str]:
    found = client.get("/api/webhook-endpoints", registered=True)["webhook_endpoints"]
    return [endpoint["id"] for endpoint in found]


@pytest.fixture
def client(machine: Machine) -> Client:
    return Client(machine.url, machine.key)


def test_who_listens_sees_a_query_become_ready_and_leaves_nothing_behind(
    machine: Machine, client: Client, tmp_path: Path
) -> None:
    before = registered(client)
    with listening(machine, tmp_path, "--save", tmp_path / "saved", "--model", "gem-1-bulk") as heard:
        secret = Secret.read(heard.wait_for(r"whsec_\S+"))
        job_id = client.post("/api/models/gem-1-bulk/predict", QUERY)["modelQueryId"]
        assert heard.wait_for(r"query\.ready .*").split()[1:] == [job_id, "gem-1-bulk", "3/3", "ready"]
        heard.wait_for(r"query\.queued .*")
        assert len(registered(client)) == len(before) + 1
        heard.stop()
        assert "is deleted" in heard.said
        warned = [line for line in heard.said.splitlines() if "Warning" in line]
        assert not [line for line in warned if "No ping came within" not in line], "but that one was late"
    assert registered(client) == before
    saved = [Request.read(path) for path in (tmp_path / "saved").iterdir()]
    assert {"webhook.ping", "query.queued", "query.ready"} <= {one.payload["type"] for one in saved}
    for one in saved:
        verify(one.body, one.headers, secret)


def test_the_guide_shows_a_payload_as_it_is_sent(machine: Machine, client: Client, tmp_path: Path) -> None:
    page = (ROOT / "docs/guides/webhooks.md").read_text()
    (written,) = re.findall(r"```json\n(.*?)```", page, flags=re.DOTALL)
    shown = json.loads(written)
    with listening(machine, tmp_path, "--save", tmp_path / "saved", "--event", "query.ready") as heard:
        client.post("/api/models/gem-1-bulk/predict", QUERY)
        heard.wait_for(r"query\.ready ")
        heard.stop()
    payloads = [Request.read(path).payload for path in (tmp_path / "saved").iterdir()]
    (sent,) = (one for one in payloads if one["type"] == "query.ready")
    assert list(sent) == list(shown)
    assert list(sent["data"]) == list(shown["data"])
    assert list(sent["data"]["links"]) == list(shown["data"]["links"])


def test_what_the_other_receiver_answers_is_what_the_sender_is_told(
    machine: Machine, client: Client, tmp_path: Path
) -> None:
    with receiver(lambda _: Reply(418, body=b"short and stout")) as theirs:
        with listening(machine, tmp_path, "--forward", theirs.url) as heard:
            secret = Secret.read(heard.wait_for(r"whsec_\S+"))
            heard.wait_for("-> 418")
            endpoint = heard.wait_for(r"(?<=as endpoint )[0-9a-f-]{36}")
            assert theirs.requests[0].verified(secret)["data"] == {"endpoint_id": endpoint}
            listed = genequeue(machine, "deliveries", "--endpoint", endpoint)
            assert "webhook.ping" in listed.stdout
            assert "418" in listed.stdout
            heard.stop()


def test_what_is_registered_is_listed_and_deleted_by_its_whole_id(machine: Machine, client: Client) -> None:
    with receiver() as theirs:
        made = client.post("/api/webhook-endpoints", {"url": theirs.url, "events": ["query.expired"]})
        assert f" {made['id']} " in genequeue(machine, "list").stdout
        assert genequeue(machine, "delete", made["id"]).returncode == 0
        assert made["id"] not in registered(client)


def test_a_delivery_is_sent_again_under_its_id(machine: Machine, client: Client) -> None:
    with receiver() as theirs:
        made = client.post("/api/webhook-endpoints", {"url": theirs.url, "events": ["query.expired"]})
        try:
            wait_until(lambda: len(theirs.requests) == 1)
            ping = theirs.requests[0].id
            wait_until(lambda: client.get(f"/api/webhook-deliveries/{ping}")["state"] == "delivered")
            again = genequeue(machine, "redeliver", ping)
            assert again.returncode == 0, again.stderr
            wait_until(lambda: len(theirs.requests) == 2)
            assert theirs.requests[1].id == ping
        finally:
            client.delete(f"/api/webhook-endpoints/{made['id']}")


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["listen", "--event", "query.redy"], "query.ready"),
        (["listen", "--model", "gem-9"], "gem-9"),
        (["listen", "--public-url", "http://10.1.2.3:8000/"], "GENEQUEUE_WEBHOOK_ALLOWED_NETWORKS"),
        (["listen", "--url", "http://203.0.113.7:8000"], "--public-url"),
        (["listen", "--url", "http://127.0.0.1:9"], "genequeue up"),
        (["listen", "--key", "gq_wrong"], "GENEQUEUE_API_KEY"),
        (["listen", "--save", "/dev/null/x"], "--save"),
        (["verify", "/nowhere", "--secret", "whsec_" + "A" * 32], "cannot be read"),
        (["redeliver", "msg_unknown"], "msg_unknown"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(machine: Machine, arguments: list[str], said: str) -> None:
    ran = genequeue(machine, *arguments)
    assert ran.returncode != 0
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
