"""The webhook that a query names itself: every id takes it, and the receiver verifies what comes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import httpx
import pysynthbio
import pytest
from sqlalchemy import text

from shared.database.engines import transaction
from shared.jobs.events import EventKind
from shared.webhooks.keys import Secret
from tests.integration.api.conftest import Serve
from tests.support import calls
from tests.support.api import Service, background, claim_soon, query_of
from tests.support.jobs import read_job
from tests.support.post_offices import post_office
from tests.support.processes import wait_until
from tests.support.receivers import receiver
from tests.support.webhooks import deliveries_to

URL = "https://1.1.1.1/hook"
IDS = [
    base + suffix
    for base in ("gem-1-bulk", "gem-1-sc")
    for suffix in ("", "_reference-conditioning", "_predict-metadata")
]


def named(api: Service) -> list[dict[str, Any]]:
    """The endpoints that queries made, the newest first."""
    found: list[dict[str, Any]] = api.get("/api/webhook-endpoints?registered=false").json()[
        "webhook_endpoints"
    ]
    return found


def secret_of(api: Service) -> Secret:
    return Secret.read(api.get("/api/webhook-secret").json()["secret"])


@pytest.fixture
def local(serve: Serve) -> Iterator[Service]:
    """An API that may call this machine, and a post office that does."""
    with serve(webhook_allowed_networks="127.0.0.0/8") as api:
        with post_office(api.settings.database_url.get_secret_value(), api.url):
            yield api


def test_the_public_client_names_a_webhook_and_the_receiver_verifies_what_comes(
    local: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNTHESIZE_API_BASE_URL", local.url)
    monkeypatch.setenv("SYNTHESIZE_API_KEY", local.key)
    with receiver() as lab, background(lambda: local.completer.complete(*claim_soon(local.completer, 1))):
        result = pysynthbio.predict_query(
            query_of(3),
            "gem-1-bulk",
            poll_interval_seconds=1,
            webhook_url=lab.url,
            webhook_events=["query.queued", "query.ready"],
        )
        wait_until(lambda: len(lab.requests) == 2)
    assert len(result["expression"]) == 3
    ready = next(
        request.verified(secret_of(local))
        for request in lab.requests
        if request.payload["type"] == "query.ready"
    )
    assert ready["data"]["status"] == "ready"
    assert len(calls.get(ready["data"]["links"]["download"]).json()["outputs"]) == 3
    assert sorted(lab.kinds) == ["query.queued", "query.ready"]


@pytest.mark.parametrize("model_id", IDS)
def test_every_id_takes_a_webhook_and_validate_too(api: Service, model_id: str) -> None:
    query = api.get(f"/api/models/{model_id}/example-query").json()["example_query"]
    query |= {"webhook_url": URL, "webhook_events": "query.ready"}
    checked = api.call("POST", f"/api/models/{model_id}/validate", json=query)
    assert checked.status_code == 200, checked.text
    job = read_job(api.engine, UUID(api.predict(query, model_id).json()["modelQueryId"]))
    assert (str(job.webhook_endpoint_id), job.webhook_events) == (named(api)[0]["id"], ["query.ready"])


def test_a_url_is_one_endpoint_of_its_workspace_however_many_queries_name_it_at_once(serve: Serve) -> None:
    with serve() as api, ThreadPoolExecutor(8) as pool:
        jobs = list(pool.map(lambda _: api.submit(1, webhook_url=URL), range(16)))
        (endpoint,) = named(api)
        assert (endpoint["url"], endpoint["registered"]) == (URL, False)
        assert {read_job(api.engine, job).webhook_endpoint_id for job in jobs} == {UUID(endpoint["id"])}
        told = deliveries_to(api.engine, UUID(endpoint["id"]))
        assert {delivery.job_id for delivery in told} == set(jobs)
        other = api.new_key("other lab")
        assert api.predict(query_of(1, webhook_url=URL), key=other).status_code == 202
        with transaction(api.engine) as session:
            assert session.scalar(text("SELECT count(*) FROM webhook_endpoints")) == 2
            assert session.scalar(text("SELECT count(*) FROM webhook_secrets")) == 2


@pytest.mark.parametrize("route", ["predict", "validate"])
@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://127.0.0.1/", "GENEQUEUE_WEBHOOK_ALLOWED_NETWORKS"),
        ("https://localhost/", "no public address"),
        ("http://1.1.1.1/", "Use https"),
        ("https://no-such-host.invalid/", "no host"),
        ("https://[::1]/", "no public address"),
    ],
)
def test_a_url_that_may_not_be_called_is_a_fault_of_the_query(
    api: Service, route: str, url: str, said: str
) -> None:
    before = len(api.get("/api/model-queries?limit=200").json()["model_queries"])
    answer = api.call("POST", f"/api/models/gem-1-bulk/{route}", json=query_of(1, webhook_url=url))
    assert (answer.status_code, answer.json()["code"]) == (422, "query_rejected")
    (fault,) = answer.json()["errors"]
    assert fault["path"] == "webhook_url"
    assert said in fault["message"]
    assert len(api.get("/api/model-queries?limit=200").json()["model_queries"]) == before


def test_validate_saves_no_endpoint(serve: Serve) -> None:
    with serve() as api:
        api.call("POST", "/api/models/gem-1-bulk/validate", json=query_of(1, webhook_url=URL))
        assert named(api) == []


def test_a_query_under_the_same_key_with_another_webhook_is_another_query(api: Service) -> None:
    def submit(**options: Any) -> httpx.Response:
        return api.predict(query_of(1, **options), headers={"Idempotency-Key": "hooked"})

    first = submit(webhook_url=URL)
    again = submit(webhook_url=URL)
    assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
    for other in ({}, {"webhook_url": URL + "2"}, {"webhook_url": URL, "webhook_events": ["query.ready"]}):
        assert submit(**other).json()["code"] == "idempotency_key_reused"
    answers = first.text + again.text + str(first.headers) + str(again.headers)
    assert "whsec_" not in answers


def test_a_query_for_the_failed_inputs_tells_the_same_webhook(api: Service) -> None:
    job_id = api.submit(1, webhook_url=URL, webhook_events=["query.queued", "query.failed"])
    api.completer.fail(job_id, "The model broke.")
    answer = api.call("POST", f"/api/model-queries/{job_id}/retry-failed")
    child, parent = read_job(api.engine, UUID(answer.json()["modelQueryId"])), read_job(api.engine, job_id)
    assert child.webhook_endpoint_id == parent.webhook_endpoint_id is not None
    assert child.webhook_events == parent.webhook_events
    told = deliveries_to(api.engine, child.webhook_endpoint_id)
    assert [delivery.kind for delivery in told if delivery.job_id == child.id] == [EventKind.QUEUED]


def test_a_query_that_names_a_disabled_url_says_so_and_a_deleted_one_comes_back(serve: Serve) -> None:
    with serve() as api:
        api.submit(1, webhook_url=URL)
        path = f"/api/webhook-endpoints/{named(api)[0]['id']}"
        with transaction(api.engine) as session:
            session.execute(text("UPDATE webhook_endpoints SET enabled = false, disabled_because = 'gone'"))
        job = read_job(api.engine, api.submit(1, webhook_url=URL))
        assert [warning for warning in job.warnings if warning.startswith("webhook_url: it is told nothing")]
        assert path in job.warnings[-1]
        assert api.call("DELETE", path).status_code == 204
        job = read_job(api.engine, api.submit(1, webhook_url=URL))
        assert job.warnings == []
        assert api.get(path).json()["enabled"]


def test_what_a_named_endpoint_is_told_is_said_by_queries_alone(api: Service) -> None:
    api.submit(1, webhook_url=URL + "/named")
    path = f"/api/webhook-endpoints/{named(api)[0]['id']}"
    refused = api.call("PATCH", path, json={"events": ["query.ready"], "url": URL})
    assert (refused.status_code, refused.json()["code"]) == (422, "endpoint_rejected")
    assert {fault["path"] for fault in refused.json()["errors"]} == {"events", "url"}
    assert api.call("PATCH", path, json={"description": "ours", "max_attempts": 2}).status_code == 200
    rotation = api.call("POST", f"{path}/rotate-secret")
    assert (rotation.status_code, rotation.json()["code"]) == (409, "endpoint_unfit")
    assert "/api/webhook-secret/rotate" in rotation.json()["error"]


def test_a_submit_that_is_refused_leaves_no_endpoint(serve: Serve) -> None:
    with serve(service_samples=1) as api:
        api.submit(1)
        assert api.predict(query_of(1, webhook_url=URL)).status_code == 503
        assert named(api) == []
