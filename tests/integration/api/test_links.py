"""Download links: for the address that callers know, fresh at each read, good for whoever holds one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from uuid import UUID

import httpx
import pytest

from tests.integration.api.conftest import Serve
from tests.support import calls
from tests.support.api import Service

PUBLIC = "https://genes.example.org/queue"


def links(api: Service, job_id: UUID, headers: Mapping[str, str] = {}) -> list[str]:
    """The links that the two routes give which show a ready query."""
    route = f"/api/model-queries/{job_id}"
    status, state = (api.get(path, headers=dict(headers)).json() for path in (f"{route}/status", route))
    return [status["downloadUrl"], state["links"]["download"]]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Basic dXNlcjpwYXNz"},
        {"Authorization": "AWS4-HMAC-SHA256 Credential=x"},
        {"Host": "elsewhere.example.org"},
        {"Cookie": "session=old", "Range": "bytes=5-"},
    ],
    ids=["none", "a wrong key", "basic", "signed", "another host", "cookies and a range"],
)
def test_a_link_is_permission_enough_whatever_else_is_sent_with_it(
    api: Service, headers: dict[str, str]
) -> None:
    for link in links(api, api.finished(2)):
        answer = calls.get(link, headers=headers)
        assert (answer.status_code, len(answer.json()["outputs"])) == (200, 2)


def test_a_link_is_for_the_public_address_whatever_way_the_question_came(serve: Serve) -> None:
    with serve(public_url=f"{PUBLIC}/") as api:
        job_id = api.finished(1)
        for headers in ({}, {"Host": "10.0.0.7:8000"}, {"X-Forwarded-Host": "evil.example.org"}):
            for link in links(api, job_id, headers):
                assert link.startswith(f"{PUBLIC}/api/downloads/{job_id}?")
                # What stands before the server takes its own path away and asks at another address.
                inside = api.url + link.removeprefix(PUBLIC)
                assert calls.get(inside, headers={"Host": "10.0.0.7:8000"}).status_code == 200


def test_without_a_public_address_a_link_is_for_the_host_that_was_asked(api: Service) -> None:
    job_id = api.finished(1)
    for link in links(api, job_id, {"Host": "genes.lab.example:8443", "X-Forwarded-Proto": "https"}):
        assert link.startswith("https://genes.lab.example:8443/api/downloads/")
        assert calls.get(api.url + httpx.URL(link).raw_path.decode()).status_code == 200


def test_each_read_gives_a_fresh_link_and_the_older_one_still_works(api: Service) -> None:
    job_id = api.finished(1)
    first = links(api, job_id)[0]
    time.sleep(1.1)  # a link says to the second when it ends
    asked = time.time()
    second = links(api, job_id)[0]
    expires = [int(httpx.URL(link).params["expires"]) for link in (first, second)]
    assert expires[0] < expires[1]
    lifetime = api.settings.link_lifetime.total_seconds()
    assert asked + lifetime - 1 <= expires[1] <= time.time() + lifetime + 1
    assert {calls.get(link).status_code for link in (first, second)} == {200}


def test_a_link_is_in_the_body_and_never_a_redirect(api: Service) -> None:
    """A client that follows one takes its Authorization header along."""
    job_id = api.finished(1)
    for path in ("", "/status", "/result"):
        answer = api.get(f"/api/model-queries/{job_id}{path}")
        assert answer.status_code == 200
        assert "location" not in answer.headers
