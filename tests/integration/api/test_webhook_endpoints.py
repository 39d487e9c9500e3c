"""Webhook endpoints over HTTP: registered, changed, tried out; secrets shown once and never logged."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from api.services.endpoints import MOST_ENDPOINTS
from shared.database.engines import transaction
from shared.webhooks.keys import PublicKey, Secret
from tests.integration.api.conftest import Serve
from tests.support import calls
from tests.support.api import Service
from tests.support.post_offices import post_office
from tests.support.processes import wait_until
from tests.support.receivers import Reply, receiver
from tests.support.webhooks import deliveries_to

PATH = "/api/webhook-endpoints"
URL = "https://1.1.1.1/hook"


def register(api: Service, url: str = URL, key: str | None = None, **fields: Any) -> dict[str, Any]:
    answer = api.call("POST", PATH, key=key, json={"url": url, **fields})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def row(api: Service, endpoint_id: str) -> dict[str, Any]:
    with transaction(api.engine) as session:
        found = session.execute(text("SELECT * FROM webhook_endpoints WHERE id = :id"), {"id": endpoint_id})
        return dict(found.mappings().one())


@pytest.fixture
def local(serve: Serve) -> Iterator[Service]:
    """An API that may call this machine, and a post office that does."""
    with serve(webhook_allowed_networks="127.0.0.0/8") as api:
        url = api.settings.database_url.get_secret_value()
        with post_office(url, api.url):
            yield api


def test_a_registration_shows_its_secret_this_once_and_sends_a_ping_signed_with_it(local: Service) -> None:
    with receiver() as lab:
        made = register(local, lab.url, description="the plate browser")
        wait_until(lambda: len(lab.requests) == 1)
    (request,) = lab.requests
    payload = request.verified(Secret.read(made["secret"]))
    assert payload["type"] == "webhook.ping"
    assert payload["data"]["endpoint_id"] == made["id"]
    log = local.get(f"/api/webhook-deliveries/{made['ping_id']}").json()
    assert (log["webhook_id"], log["kind"], log["job_id"]) == (request.id, "webhook.ping", None)
    shown = local.get(f"{PATH}/{made['id']}")
    assert shown.json()["description"] == "the plate browser"
    for answer in (shown, local.get(PATH), local.call("PATCH", f"{PATH}/{made['id']}", json={})):
        assert "whsec_" not in answer.text
        assert "secret" not in answer.json()


def test_only_sealed_secrets_are_stored_and_none_is_logged(
    api: Service, capfd: pytest.CaptureFixture[str]
) -> None:
    made = register(api)
    rotated = api.call("POST", f"{PATH}/{made['id']}/rotate-secret").json()
    of_workspace = api.get("/api/webhook-secret").json()
    api.call("POST", PATH, json={"url": URL, "secret": made["secret"]})
    stored = orjson.dumps(row(api, made["id"]), default=str).decode()
    with transaction(api.engine) as session:
        stored += str(session.execute(text("SELECT * FROM webhook_secrets")).all())
    logged = "".join(capfd.readouterr())
    assert PATH in logged
    for secret in (made["secret"], rotated["secret"], of_workspace["secret"]):
        assert secret.removeprefix("whsec_") not in stored
        assert secret.removeprefix("whsec_") not in logged


def test_answers_with_a_secret_are_kept_by_nobody(api: Service) -> None:
    answers = [api.call("POST", PATH, json={"url": URL})]
    answers += [api.call("POST", f"{PATH}/{answers[0].json()['id']}/rotate-secret")]
    answers += [api.get("/api/webhook-secret"), api.call("POST", "/api/webhook-secret/rotate")]
    for answer in answers:
        assert "whsec_" in answer.text
        assert answer.headers["cache-control"] == "no-store"


def test_after_a_rotation_both_secrets_sign_for_a_day(local: Service) -> None:
    with receiver() as lab:
        made = register(local, lab.url)
        wait_until(lambda: len(lab.requests) == 1)
        rotated = local.call("POST", f"{PATH}/{made['id']}/rotate-secret").json()
        until = datetime.fromisoformat(rotated["previous_secret_until"]) - datetime.now(UTC)
        assert timedelta(hours=23, minutes=59) < until <= timedelta(hours=24)
        assert local.get(f"{PATH}/{made['id']}").json()["previous_secret_until"]
        local.call("POST", f"{PATH}/{made['id']}/ping")
        wait_until(lambda: len(lab.requests) == 2)
        with transaction(local.engine) as session:
            session.execute(text("UPDATE webhook_endpoints SET previous_until = now()"))
        local.call("POST", f"{PATH}/{made['id']}/ping")
        wait_until(lambda: len(lab.requests) == 3)
    _, during, after = lab.requests
    for secret in (made["secret"], rotated["secret"]):
        assert during.verified(Secret.read(secret))
    assert len(after.headers["webhook-signature"].split()) == 1
    assert after.verified(Secret.read(rotated["secret"]))


def test_secrets_of_another_service_key_give_way_at_a_rotation(serve: Serve) -> None:
    with serve() as api:
        made = register(api)
        api.get("/api/webhook-secret")
        with transaction(api.engine) as session:
            session.execute(text("UPDATE webhook_endpoints SET secret = 'sealed by another'"))
            session.execute(text("UPDATE webhook_secrets SET secret = 'sealed by another'"))
        broken = api.get("/api/webhook-secret")
        assert (broken.status_code, broken.json()["code"]) == (500, "seal_broken")
        assert "rotate" in broken.json()["error"]
        for path in (f"{PATH}/{made['id']}/rotate-secret", "/api/webhook-secret/rotate"):
            rotated = api.call("POST", path).json()
            assert Secret.read(rotated["secret"])
            assert rotated["previous_secret_until"] is None
        assert api.get("/api/webhook-secret").json()["secret"] == rotated["secret"]


def test_an_asymmetric_endpoint_is_verified_with_the_public_key_that_anybody_may_read(local: Service) -> None:
    with receiver() as lab:
        register(local, lab.url, asymmetric=True)
        wait_until(lambda: len(lab.requests) == 1)
    (key,) = calls.get(f"{local.url}/.well-known/genequeue-webhooks.json").json()["keys"]
    assert (key["version"], key["algorithm"]) == ("v1a", "Ed25519")
    from_header = dict(one.split(",") for one in lab.requests[0].headers["webhook-signature"].split())
    assert set(from_header) == {"v1", "v1a"}
    assert PublicKey.read(key["key"])


@pytest.mark.parametrize(
    ("fields", "path", "said"),
    [
        ({}, "url", "required"),
        ({"url": "http://1.1.1.1/"}, "url", "https"),
        ({"url": "https://127.0.0.1/"}, "url", "GENEQUEUE_WEBHOOK_ALLOWED_NETWORKS"),
        ({"url": "https://[::ffff:10.0.0.1]/"}, "url", "no public address"),
        ({"url": "https://169.254.169.254/latest"}, "url", "no public address"),
        ({"url": "https://localhost/"}, "url", "no public address"),
        ({"url": "https://2130706433/"}, "url", "unusual form"),
        ({"url": "https://no-such-host.invalid/"}, "url", "no host"),
        ({"url": ["https://1.1.1.1/"]}, "url", "a list is not a URL"),
        ({"url": URL, "events": ["query.done"]}, "events", "query.ready"),
        ({"url": URL, "models": ["gem-1-bulks"]}, "models", 'Did you mean "gem-1-bulk"?'),
        ({"url": URL, "max_attempts": 11}, "max_attempts", "from 1 to 10"),
        ({"url": URL, "enabled": "yes"}, "enabled", "neither true nor false"),
        ({"url": URL, "description": "x" * 501}, "description", "at most 500"),
        ({"url": URL, "descriptoin": "x"}, "descriptoin", 'Did you mean "description"?'),
        ({"url": URL, "secret": "whsec_mine"}, "secret", "remove it"),
    ],
)
def test_a_faulty_endpoint_is_refused_with_field_and_remedy(
    api: Service, fields: dict[str, Any], path: str, said: str
) -> None:
    answer = api.call("POST", PATH, json=fields)
    assert (answer.status_code, answer.json()["code"]) == (422, "endpoint_rejected"), answer.text
    (fault,) = answer.json()["errors"]
    assert fault["path"] == path
    assert said.lower() in fault["message"].lower()


def test_all_faults_are_told_at_once_and_what_is_no_object_is_said_to_be_none(api: Service) -> None:
    answer = api.call("POST", PATH, json={"url": "x", "events": 3, "max_attempts": 0})
    assert {fault["path"] for fault in answer.json()["errors"]} == {"url", "events", "max_attempts"}
    assert "(and 2 more)" in answer.json()["error"]
    assert api.call("POST", PATH, json=[1]).status_code == 422
    assert api.call("POST", PATH, content=b"{").status_code == 400


def test_a_change_touches_what_was_sent_and_an_empty_list_means_everything(api: Service) -> None:
    made = register(api, events=["query.ready"], models="gem-1-bulk", max_attempts=3)
    path = f"{PATH}/{made['id']}"
    changed = api.call("PATCH", path, json={"events": [], "description": "new"}).json()
    assert (changed["events"], changed["models"], changed["max_attempts"]) == ([], ["gem-1-bulk"], 3)
    assert changed["description"] == "new"
    assert changed == api.get(path).json()
    refused = api.call("PATCH", path, json={"url": "https://10.0.0.1/"})
    assert refused.json()["errors"][0]["path"] == "url"
    assert api.get(path).json() == changed


def test_disabling_ends_what_is_on_its_way_and_enabling_forgets_the_failures(api: Service) -> None:
    made = register(api)
    path = f"{PATH}/{made['id']}"
    off = api.call("PATCH", path, json={"enabled": False}).json()
    assert (off["enabled"], off["disabled_because"]) == (False, "owner")
    (ping,) = deliveries_to(api.engine, made["id"])
    assert ping.state == "failed"
    api.submit(1)
    assert len(deliveries_to(api.engine, made["id"])) == 1
    refused = api.call("POST", f"{path}/ping")
    assert (refused.status_code, refused.json()["code"]) == (409, "endpoint_unfit")
    assert '"enabled": true' in refused.json()["error"]
    with transaction(api.engine) as session:
        session.execute(text("UPDATE webhook_endpoints SET failing_since = now()"))
    on = api.call("PATCH", path, json={"enabled": True}).json()
    assert (on["enabled"], on["disabled_because"], on["failing_since"]) == (True, None, None)
    assert api.call("POST", f"{path}/ping").status_code == 202


@pytest.mark.parametrize("wish", ["ping", "enable"])
def test_a_rest_that_an_endpoint_asked_for_is_shown_and_ends_when_its_owner_wants_it(
    api: Service, wish: str
) -> None:
    path = f"{PATH}/{register(api)['id']}"
    with transaction(api.engine) as session:
        session.execute(text("UPDATE webhook_endpoints SET resting_until = now() + interval '1 h'"))
    assert api.get(path).json()["resting_until"] is not None
    if wish == "ping":
        assert api.call("POST", f"{path}/ping").status_code == 202
    else:
        api.call("PATCH", path, json={"enabled": True})
    assert api.get(path).json()["resting_until"] is None


def test_one_registered_as_disabled_gets_no_ping(api: Service) -> None:
    assert register(api, enabled=False)["ping_id"] is None


def test_a_deleted_endpoint_is_told_nothing_more_and_its_log_stays(api: Service) -> None:
    made = register(api)
    assert api.call("DELETE", f"{PATH}/{made['id']}").status_code == 204
    assert api.get(f"{PATH}/{made['id']}").status_code == 404
    assert api.call("DELETE", f"{PATH}/{made['id']}").status_code == 404
    api.submit(1)
    log = api.get("/api/webhook-deliveries", params={"endpoint": made["id"]}).json()["webhook_deliveries"]
    assert [(one["kind"], one["state"]) for one in log] == [("webhook.ping", "failed")]
    refused = api.call("POST", f"/api/webhook-deliveries/{made['ping_id']}/redeliver")
    assert (refused.status_code, refused.json()["code"]) == (409, "endpoint_unfit")


def test_other_workspaces_do_not_see_it(api: Service) -> None:
    made, other = register(api), api.new_key("other lab")
    path = f"{PATH}/{made['id']}"
    calls = [("GET", path), ("PATCH", path), ("DELETE", path), ("POST", f"{path}/ping")]
    calls += [("POST", f"{path}/rotate-secret"), ("POST", f"{path}/recover?since=2030-01-01T00:00:00Z")]
    for method, route in calls:
        options = {"json": {}} if method == "PATCH" else {}
        answer = api.call(method, route, key=other, **options)
        assert (answer.status_code, answer.json()["code"]) == (404, "endpoint_not_found"), route
    assert api.get(PATH, key=other).json() == {"webhook_endpoints": [], "next_cursor": None}
    assert api.get("/api/webhook-secret", key=other).json() != api.get("/api/webhook-secret").json()
    assert api.get(f"{PATH}/nonsense").status_code == 404


def test_a_workspace_has_fifty_endpoints_at_most_however_many_register_at_once(serve: Serve) -> None:
    with serve() as api, ThreadPoolExecutor(10) as pool:
        answers = list(
            pool.map(lambda _: api.call("POST", PATH, json={"url": URL}), range(MOST_ENDPOINTS + 5))
        )
        assert sorted(answer.status_code for answer in answers) == [201] * MOST_ENDPOINTS + [409] * 5
        refused = next(answer for answer in answers if answer.status_code == 409)
        assert refused.json()["code"] == "endpoints_full"
        first = next(answer for answer in answers if answer.status_code == 201)
        api.call("DELETE", f"{PATH}/{first.json()['id']}")
        register(api)


def test_pages_hold_every_endpoint_once(serve: Serve) -> None:
    with serve() as api:
        made = [register(api)["id"] for _ in range(5)]
        found, url = [], f"{PATH}?limit=2&registered=true"
        while url:
            answer = api.get(url)
            found += [one["id"] for one in answer.json()["webhook_endpoints"]]
            url = answer.links.get("next", {}).get("url", "").removeprefix(api.url)
        assert found == made[::-1]
        assert api.get(f"{PATH}?registered=false").json()["webhook_endpoints"] == []


def test_the_secret_of_a_workspace_is_made_once_and_rotated(api: Service) -> None:
    key = api.new_key("secretive lab")
    with ThreadPoolExecutor(8) as pool:
        bodies = list(pool.map(lambda _: api.get("/api/webhook-secret", key=key).json(), range(8)))
    assert len({body["secret"] for body in bodies}) == 1
    assert bodies[0]["previous_secret_until"] is None
    rotated = api.call("POST", "/api/webhook-secret/rotate", key=key).json()
    assert rotated["secret"] != bodies[0]["secret"]
    assert rotated["previous_secret_until"]
    assert api.get("/api/webhook-secret", key=key).json() == rotated


def test_an_endpoint_that_says_410_is_shown_as_gone(local: Service) -> None:
    with receiver(lambda _: Reply(410)) as lab:
        made = register(local, lab.url)
        path = f"{PATH}/{made['id']}"
        wait_until(lambda: local.get(path).json()["disabled_because"] == "gone")
    events = local.get("/api/events?wait=60").json()["events"]
    assert [event["kind"] for event in events] == ["webhook.endpoint_disabled"]
    assert events[0]["data"]["endpoint_id"] == made["id"]
