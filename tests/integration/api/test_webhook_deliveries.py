"""The log of deliveries: listed and filtered, read attempt by attempt, sent again under the same id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from api.services.redelivery import AT_ONCE
from shared.database.engines import transaction
from shared.database.tables import WebhookDelivery
from tests.integration.api.conftest import Serve
from tests.support.api import Service
from tests.support.jobs import save_job
from tests.support.post_offices import post_office
from tests.support.processes import wait_until
from tests.support.receivers import Reply, receiver
from tests.support.webhooks import deliveries_to, save_endpoint

PATH = "/api/webhook-deliveries"


@pytest.fixture
def own(serve: Serve) -> Iterator[Service]:
    """An API with a database of the test's own, which nobody delivers from."""
    with serve() as api:
        yield api


def listed(api: Service, **parameters: Any) -> list[str]:
    answer = api.get(PATH, params=parameters)
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["webhook_deliveries"]]


def settle(engine: Engine, delivery_id: UUID, **columns: Any) -> None:
    with transaction(engine) as session:
        row = session.get_one(WebhookDelivery, delivery_id)
        for name, value in columns.items():
            setattr(row, name, value)


def failed(engine: Engine, delivery_id: UUID, **columns: Any) -> None:
    ended = {"state": "failed", "attempts": 10, "last_status": 500, "finished_at": datetime.now(UTC)}
    settle(engine, delivery_id, **{**ended, **columns})


def failures(engine: Engine, endpoint: UUID, count: int, days: int, job: UUID | None = None) -> int:
    """So many events of a job, or pings, that did not arrive at an endpoint so many days ago."""
    statement = text(
        "INSERT INTO webhook_deliveries "
        "(workspace_id, endpoint_id, job_id, event_number, kind, state, attempts, finished_at) "
        "SELECT workspace_id, id, CAST(:job AS uuid), CASE WHEN :job IS NOT NULL THEN n + 10000 * :days END, "
        "'some event', 'failed', 10, now() - :days * interval '1 day' "
        "FROM webhook_endpoints, generate_series(1, :count) AS n WHERE id = :endpoint"
    )
    with transaction(engine) as session:
        named = {"endpoint": endpoint, "count": count, "days": days, "job": str(job) if job else None}
        session.execute(statement, named)
    return count


def test_filters_by_endpoint_job_event_state_status_and_time(own: Service) -> None:
    all_told = save_endpoint(own.engine)
    ends = save_endpoint(own.engine, events=["query.ready"])
    job, other = own.finished(1), own.submit(1)
    queued, running, progress, ready = deliveries_to(own.engine, all_told)[:4]
    assert [one.kind for one in (queued, running, progress, ready)] == [
        "query.queued",
        "query.running",
        "query.progress",
        "query.ready",
    ]
    failed(own.engine, queued.id)
    settle(own.engine, running.id, attempts=1)
    failed(own.engine, ready.id, state="delivered", attempts=1, last_status=204)
    assert len(listed(own)) == 6
    assert listed(own, endpoint=ends) == [str(one.id) for one in deliveries_to(own.engine, ends)]
    assert len(listed(own, job=other)) == 1
    assert len(listed(own, job=job, event=["query.ready", "query.running"])) == 3
    assert listed(own, state="delivered") == [str(ready.id)]
    assert set(listed(own, state=["delivered", "failed"])) == {str(ready.id), str(queued.id)}
    assert listed(own, status="2xx") == [str(ready.id)]
    assert listed(own, status="5xx") == [str(queued.id)]
    assert listed(own, status="none") == [str(running.id)]
    assert listed(own, status="4xx") == []
    hour, now = timedelta(hours=1), datetime.now(UTC)
    assert len(listed(own, created_after=(now - hour).isoformat())) == 6
    assert listed(own, created_before=(now - hour).isoformat()) == []


def test_pages_hold_every_delivery_once_though_others_are_made_meanwhile(own: Service) -> None:
    endpoint = save_endpoint(own.engine, events=["query.queued"])
    jobs = [own.submit(1) for _ in range(5)]
    with transaction(own.engine) as session:
        session.execute(text("UPDATE webhook_deliveries SET created_at = '2030-01-01'"))
    url, found = f"{PATH}?limit=2&endpoint={endpoint}", []
    while url:
        answer = own.get(url)
        found += [one["job_id"] for one in answer.json()["webhook_deliveries"]]
        url = answer.links.get("next", {}).get("url", "").removeprefix(own.url)
        own.submit(1)
        with transaction(own.engine) as session:
            session.execute(
                text(
                    "UPDATE webhook_deliveries SET created_at = '2031-01-01' WHERE created_at < '2030-01-01'"
                )
            )
    assert sorted(found) == sorted(map(str, jobs))


def test_a_delivery_shows_each_attempt_and_when_the_next_one_is(serve: Serve) -> None:
    with serve(webhook_allowed_networks="127.0.0.0/8") as api, receiver() as lab:
        lab.answer = lambda _: Reply(503, {"retry-after": "7200"}, b"busy " * 500)
        api.call("POST", "/api/webhook-endpoints", json={"url": lab.url})
        (delivery,) = listed(api, job=api.submit(1))
        path = f"{PATH}/{delivery}"
        with post_office(api.settings.database_url.get_secret_value(), api.url):
            wait_until(lambda: api.get(path).json()["attempt_log"] != [])
        body = api.get(path).json()
        assert (body["state"], body["attempts"], body["last_status"]) == ("waiting", 1, 503)
        assert body["url"] == lab.url
        assert body["webhook_id"] in {request.id for request in lab.requests}
        (attempt,) = body["attempt_log"]
        assert (attempt["number"], attempt["status"], attempt["error"]) == (1, 503, None)
        assert attempt["answer"] == ("busy " * 500)[:1024]
        assert attempt["milliseconds"] >= 0
        wait = datetime.fromisoformat(body["next_try_at"]) - datetime.now(UTC)
        assert wait > timedelta(minutes=118)
        assert api.get(f"{PATH}/{body['webhook_id']}").json()["id"] == delivery


def test_what_failed_is_sent_again_under_the_same_id_from_the_start_of_its_schedule(serve: Serve) -> None:
    with serve(webhook_allowed_networks="127.0.0.0/8") as api, receiver() as lab:
        made = api.call("POST", "/api/webhook-endpoints", json={"url": lab.url}).json()
        ping = UUID(made["ping_id"])
        failed(api.engine, ping)
        answer = api.call("POST", f"{PATH}/{ping}/redeliver")
        body = answer.json()
        assert (answer.status_code, body["state"], body["attempts"]) == (202, "waiting", 10)
        (row,) = deliveries_to(api.engine, UUID(made["id"]))
        assert (row.forgiven, row.finished_at) == (10, None)
        with post_office(api.settings.database_url.get_secret_value(), api.url):
            wait_until(lambda: listed(api, state="delivered") == [str(ping)])
        assert lab.requests[0].id == body["webhook_id"] == f"msg_{ping.hex}"


def test_a_redelivery_that_fails_is_tried_again_as_a_new_one_is(serve: Serve) -> None:
    with serve(webhook_allowed_networks="127.0.0.0/8") as api, receiver(lambda _: Reply(500)) as lab:
        api.call("POST", "/api/webhook-endpoints", json={"url": lab.url})
        (delivery,) = listed(api, job=api.submit(1))
        path = f"{PATH}/{delivery}"
        failed(api.engine, UUID(delivery))
        assert api.call("POST", f"{path}/redeliver").status_code == 202
        with post_office(api.settings.database_url.get_secret_value(), api.url):
            wait_until(lambda: api.get(path).json()["attempt_log"] != [])
        body = api.get(path).json()
        assert (body["state"], body["attempts"]) == ("waiting", 11)
        wait = datetime.fromisoformat(body["next_try_at"]) - datetime.now(UTC)
        assert wait < timedelta(seconds=6)


def test_one_that_is_sent_at_this_moment_is_409_and_one_of_a_disabled_endpoint_too(own: Service) -> None:
    endpoint = save_endpoint(own.engine)
    own.submit(1)
    (one,) = deliveries_to(own.engine, endpoint)
    path = f"{PATH}/{one.id}/redeliver"
    settle(own.engine, one.id, state="sending", due_at=datetime.now(UTC) + timedelta(minutes=1))
    refused = own.call("POST", path)
    assert (refused.status_code, refused.json()["code"]) == (409, "delivery_under_way")
    settle(own.engine, one.id, due_at=datetime.now(UTC) - timedelta(minutes=1))
    assert own.call("POST", path).status_code == 202
    own.call("PATCH", f"/api/webhook-endpoints/{endpoint}", json={"enabled": False})
    refused = own.call("POST", path)
    assert (refused.status_code, refused.json()["code"]) == (409, "endpoint_unfit")


def test_all_that_failed_since_a_time_is_recovered_a_thousand_at_once(own: Service) -> None:
    job = save_job(own.engine)
    endpoint, other = save_endpoint(own.engine), save_endpoint(own.engine)
    old, late = failures(own.engine, endpoint, AT_ONCE + 1, 9, job), AT_ONCE + 2
    failures(own.engine, endpoint, late, 2, job)
    pings = failures(own.engine, endpoint, 3, 1)
    failures(own.engine, other, 1, 1, job)
    path = f"/api/webhook-endpoints/{endpoint}/recover"
    since = {"since": (datetime.now(UTC) - timedelta(days=3)).isoformat()}
    first = own.call("POST", path, params=since)
    assert (first.status_code, first.json()) == (202, {"recovered": AT_ONCE, "more": True})
    assert own.call("POST", path, params=since).json() == {"recovered": 2, "more": False}
    assert own.call("POST", path, params=since).json() == {"recovered": 0, "more": False}
    states = Counter(one.state for one in deliveries_to(own.engine, endpoint))
    assert states == {"failed": old + pings, "waiting": late}, "a ping asked whether it answered then"
    assert listed(own, endpoint=other, state="failed")
    assert own.call("POST", path).json()["errors"][0]["path"] == "since"


def test_other_workspaces_see_nothing_of_the_log(own: Service) -> None:
    endpoint, key = save_endpoint(own.engine), own.new_key("other lab")
    own.submit(1)
    (one,) = deliveries_to(own.engine, endpoint)
    assert own.get(PATH, key=key).json() == {"webhook_deliveries": [], "next_cursor": None}
    for method, route in (("GET", f"{PATH}/{one.id}"), ("POST", f"{PATH}/{one.id}/redeliver")):
        answer = own.call(method, route, key=key)
        assert (answer.status_code, answer.json()["code"]) == (404, "delivery_not_found")
    for nonsense in (uuid4(), "nonsense", "msg_"):
        assert own.get(f"{PATH}/{nonsense}").status_code == 404


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("endpoint", "x"),
        ("job", "x"),
        ("event", "\x00"),
        ("state", "done"),
        ("status", "200"),
        ("limit", "0"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_named(api: Service, name: str, value: str) -> None:
    answer = api.get(PATH, params={name: value})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"].startswith(name)
