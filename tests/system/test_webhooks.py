"""Rows 37, 38, 39 and 43 against a running machine: a receiver that fails costs a query nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from cli.machine.folder import DataFolder
from shared.webhooks.keys import Secret
from tests.support.machine import Machine
from tests.support.processes import wait_until
from tests.support.receivers import Receiver, Reply, hanging_receiver, receiver
from worker.webhooks.sending import TOTAL

MODEL = "gem-1-bulk"
ENDS = ("ready", "failed", "cancelled", "expired")
MOST_ATTEMPTS = 3


class Lab:
    """A workspace of the test's own, over HTTP."""

    def __init__(self, machine: Machine, http: httpx.Client) -> None:
        self.machine, self.http = machine, http

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """What is answered, which must be no error."""
        answer = self.http.request(method, path, **options)
        assert answer.is_success, answer.text
        return answer.json()

    def register(self, url: str, **fields: Any) -> dict[str, Any]:
        """An endpoint, with its secret."""
        return dict(self.ask("POST", "/api/webhook-endpoints", json={"url": url, **fields}))

    def submit(self, samples: int = 2, **options: Any) -> str:
        """The id of a query that is accepted."""
        inputs = [{"metadata": {"tissue_ontology_id": "UBERON:0002107"}, "num_samples": samples}]
        query = {"sampling_strategy": "sample generation", "inputs": inputs, **options}
        return str(self.ask("POST", f"/api/models/{MODEL}/predict", json=query)["modelQueryId"])

    def job(self, job: str) -> Any:
        """The query as it is."""
        return self.ask("GET", f"/api/model-queries/{job}")

    def ended(self, job: str) -> str:
        """How a query ended, which it must do soon."""
        wait_until(lambda: self.job(job)["status"] in ENDS, 120)
        return str(self.job(job)["status"])

    def deliveries(self, **parameters: Any) -> list[dict[str, Any]]:
        """The log, the newest first."""
        found = self.ask("GET", "/api/webhook-deliveries", params=parameters)["webhook_deliveries"]
        return list(found)

    def delivery(self, job: str, kind: str) -> dict[str, Any]:
        """One delivery with its attempts."""
        (found,) = self.deliveries(job=job, event=kind)
        return dict(self.ask("GET", f"/api/webhook-deliveries/{found['id']}"))

    def execute(self, statement: str) -> None:
        """Have time pass in the rows."""
        url = DataFolder(self.machine.data_dir).read_state().database_url
        with psycopg.connect(url) as database:
            database.execute(statement.encode())

    def hurry(self) -> None:
        """What waits for its next attempt is due now."""
        self.execute("UPDATE webhook_deliveries SET due_at = now() WHERE state = 'waiting'")


@pytest.fixture
def lab(machine: Machine, request: pytest.FixtureRequest) -> Iterator[Lab]:
    workspace = f"lab of {request.node.name}"
    key = machine.command("keys", "create", "--name", "test", "--workspace", workspace).split()[-1]
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=machine.url, headers=headers, timeout=60) as http:
        made = Lab(machine, http)
        yield made
        for endpoint in made.ask("GET", "/api/webhook-endpoints")["webhook_endpoints"]:
            assert http.delete(f"/api/webhook-endpoints/{endpoint['id']}").is_success


def dead_url() -> str:
    """Where nobody listens."""
    with receiver() as gone:
        return gone.url


def test_a_query_is_ready_and_another_cancelled_while_its_receivers_are_dead_and_hang(lab: Lab) -> None:
    """Row 37: no sample is computed twice, nobody waits for an answer that does not come."""
    with hanging_receiver() as hanging:
        for url in (hanging.url, f"{hanging.url}/too", dead_url()):
            lab.register(url)
        job = lab.submit(webhook_url=dead_url())
        assert lab.ended(job) == "ready"
        told = {one["state"] for one in lab.deliveries(job=job)}
        assert told <= {"waiting", "sending", "superseded"}, "nothing of it was delivered when it was ready"
        assert [event["kind"] for event in lab.ask("GET", "/api/events")["events"]][:2] == [
            "query.queued",
            "query.running",
        ]
        assert lab.job(job)["samples_failed"] == 0
        large = lab.submit(200_000)  # more than can be done before it is cancelled
        wait_until(lambda: lab.job(large)["status"] == "running")
        began = datetime.now(UTC)
        assert lab.ask("POST", f"/api/model-queries/{large}/cancel")["status"] == "cancelled"
        # Whoever waited for a receiver that hangs would wait for so long.
        assert datetime.now(UTC) - began < TOTAL
        after = lab.submit()
        assert lab.ended(after) == "ready"
        assert "delivered" not in {one["state"] for one in lab.deliveries()}


def test_a_receiver_that_never_says_2xx_loses_neither_result_nor_event_nor_delivery(lab: Lab) -> None:
    """Row 38, to the last attempt; and once it is repaired, all that failed can be had."""
    with receiver(lambda _: Reply(500, body=b"out of order")) as broken:
        made = lab.register(broken.url, events=["query.ready"], max_attempts=MOST_ATTEMPTS)
        job = lab.submit()
        assert lab.ended(job) == "ready"
        for attempt in range(1, MOST_ATTEMPTS + 1):
            # By its own schedule the next one may have been made meanwhile.
            wait_until(lambda upto=attempt: len(lab.delivery(job, "query.ready")["attempt_log"]) >= upto)
            lab.hurry()
        told = lab.delivery(job, "query.ready")
        assert (told["state"], told["attempts"]) == ("failed", MOST_ATTEMPTS)
        assert {(one["status"], one["answer"]) for one in told["attempt_log"]} == {(500, "out of order")}
        events = lab.ask("GET", "/api/events")["events"]
        assert [event["kind"] for event in events if event["job_id"] == job][-1] == "query.ready"
        link = lab.ask("GET", f"/api/model-queries/{job}/status")["downloadUrl"]
        assert len(lab.ask("GET", link)["outputs"]) == 2
        broken.answer = lambda _: Reply()
        since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
        path = f"/api/webhook-endpoints/{made['id']}/recover"
        again = lab.ask("POST", path, params={"since": since})
        assert again == {"recovered": 1, "more": False}, "pings are not sent again"
        wait_until(lambda: lab.delivery(job, "query.ready")["state"] == "delivered")
    ready = [request for request in broken.requests if request.payload["type"] == "query.ready"]
    assert {request.id for request in ready} == {told["webhook_id"]}
    link = ready[-1].verified(Secret.read(made["secret"]))["data"]["links"]["download"]
    assert len(httpx.get(link, timeout=60).raise_for_status().json()["outputs"]) == 2


def test_a_301_is_not_followed_but_logged_and_shown_with_what_to_do(lab: Lab) -> None:
    """Row 39."""
    with receiver() as moved_to, receiver(lambda _: Reply(301, {"location": moved_to.url})) as moved:
        lab.register(moved.url, events=["query.queued"])
        job = lab.submit()
        wait_until(lambda: lab.delivery(job, "query.queued")["attempt_log"] != [])
        told = lab.delivery(job, "query.queued")
    assert told["state"] in {"waiting", "sending"}, "it is tried again, which may be now"
    attempt = told["attempt_log"][0]
    assert attempt["status"] == 301
    assert attempt["error"] == "Redirects are not followed: register the address that it leads to."
    # What was done may be seen before its line is written.
    wait_until(lambda: attempts_in_the_log(lab, told["id"]) != [])
    logged = attempts_in_the_log(lab, told["id"])[0]
    assert (logged["event"], logged["status"], logged["error"]) == (
        "webhook.attempted",
        301,
        attempt["error"],
    )
    assert moved_to.connections == 0


def attempts_in_the_log(lab: Lab, delivery: str) -> list[dict[str, Any]]:
    return [line for line in lab.machine.lines("upkeep") if line.get("delivery") == delivery]


@pytest.mark.parametrize("because", ["gone", "failing"])
def test_an_endpoint_that_was_disabled_works_once_it_is_enabled_again(lab: Lab, because: str) -> None:
    """Row 43: 410 at once, anything else after five days; its owner hears of it, and may enable it."""
    with receiver() as ours:
        made = lab.register(ours.url, events=["query.queued"])
        path = f"/api/webhook-endpoints/{made['id']}"
        # Whoever is told that the ping arrived forgets what failed before.
        wait_until(lambda: [one["state"] for one in lab.deliveries()] == ["delivered"])
        disable(lab, ours, because)
        wait_until(lambda: lab.ask("GET", path)["disabled_because"] == because)
        events = lab.ask("GET", "/api/events")["events"]
        (notice,) = [event for event in events if event["kind"] == "webhook.endpoint_disabled"]
        assert notice["data"] == {"endpoint_id": made["id"], "url": ours.url, "because": because}
        silent = lab.submit()
        assert lab.deliveries(job=silent) == []
        ours.answer = lambda _: Reply()
        assert lab.ask("PATCH", path, json={"enabled": True})["enabled"]
        job = lab.submit()
        wait_until(lambda: lab.delivery(job, "query.queued")["state"] == "delivered")
    (last,) = [request for request in ours.requests if request.payload["data"].get("id") == job]
    last.verified(Secret.read(made["secret"]))


def disable(lab: Lab, ours: Receiver, because: str) -> None:
    """Have the next delivery be what disables an endpoint."""
    if because == "failing":
        lab.execute(
            "UPDATE webhook_endpoints SET failing_since = now() - interval '5 days 1 minute' "
            f"WHERE url = '{ours.url}'"
        )
    ours.answer = lambda _: Reply(410 if because == "gone" else 500)
    lab.submit()
