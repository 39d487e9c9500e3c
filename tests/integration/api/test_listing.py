"""Listing a workspace's queries: every one once, whatever is submitted meanwhile; filtered; nobody else's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from shared.database.engines import transaction
from shared.database.tables import Job
from tests.integration.api.conftest import Serve
from tests.support import calls
from tests.support.api import Service

PATH = "/api/model-queries"


def listed(api: Service, **parameters: Any) -> list[UUID]:
    answer = api.get(PATH, params=parameters)
    assert answer.status_code == 200, answer.text
    return [UUID(item["id"]) for item in answer.json()["model_queries"]]


def walk(api: Service, url: str, between: Any = None) -> list[UUID]:
    """Every page, as the Link header leads."""
    found = []
    while url:
        answer = api.get(url)
        found += [UUID(item["id"]) for item in answer.json()["model_queries"]]
        url = answer.links.get("next", {}).get("url", "").removeprefix(api.url)
        assert (answer.json()["next_cursor"] is None) is not bool(url)
        if between:
            between()
    return found


def test_pages_hold_every_query_once_though_others_are_submitted_meanwhile(serve: Serve) -> None:
    with serve() as api:
        jobs = [api.submit(1, client_metadata={"run": "a b&c"}) for _ in range(7)]
        with transaction(api.engine) as session:  # Many jobs may carry one time.
            session.execute(update(Job).values(created_at=datetime(2030, 1, 1, tzinfo=UTC)))
        found = walk(api, f"{PATH}?limit=2&metadata.run=a%20b%26c", lambda: api.submit(1))
        assert sorted(found) == sorted(jobs)
        assert found == sorted(jobs, reverse=True)


def test_filters_by_state_model_time_and_metadata(serve: Serve) -> None:
    with serve() as api:
        first = api.finished(1, client_metadata={"run": "1", "plate": "A"})
        second = api.submit(1, client_metadata={"run": "2"})
        sent = api.predict(
            {"sampling_strategy": "mean estimation", "inputs": [{"metadata": {}, "num_samples": 1}]},
            "gem-1-sc",
        )
        third = UUID(sent.json()["modelQueryId"])
        assert listed(api) == [third, second, first]
        assert listed(api, state="ready") == [first]
        assert listed(api, state=["ready", "queued"]) == [third, second, first]
        assert listed(api, model="gem-1-sc") == [third]
        assert listed(api, **{"metadata.run": "1", "metadata.plate": "A"}) == [first]
        assert listed(api, **{"metadata.run": "2", "metadata.plate": "A"}) == []
        hour = timedelta(hours=1)
        now = datetime.now(UTC)
        assert listed(
            api, created_after=(now - hour).isoformat(), created_before=(now + hour).isoformat()
        ) == [
            third,
            second,
            first,
        ]
        assert listed(api, created_after=(now + hour).isoformat()) == []


def test_a_workspace_sees_its_own_only(api: Service) -> None:
    job_id, other = api.submit(1), api.new_key("other")
    assert api.get(PATH, key=other).json() == {"model_queries": [], "next_cursor": None}
    assert job_id in listed(api)


def test_an_item_says_how_the_query_stands_and_where_more_is(api: Service) -> None:
    job_id = api.finished(3, client_metadata={"run": "9"})
    (item,) = api.get(PATH, params={"metadata.run": "9"}).json()["model_queries"]
    assert (item["id"], item["status"], item["progress"]["samples_done"]) == (str(job_id), "ready", 3)
    assert item["client_metadata"] == {"run": "9"}
    assert calls.get(item["links"]["download"]).status_code == 200


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("cursor", "nonsense", 400),
        ("cursor", "é", 400),
        ("cursor", "", 400),
        ("model", "\x00", 422),
        ("metadata.run", "\x00", 400),
        ("limit", "0", 422),
        ("limit", "201", 422),
        ("state", "done", 422),
        ("created_after", "2030-01-01T00:00:00", 422),
    ],
)
def test_a_parameter_that_cannot_be_used_is_named(api: Service, name: str, value: str, status: int) -> None:
    answer = api.get(PATH, params={name: value})
    assert answer.status_code == status
    assert answer.json()["errors"][0]["path"].startswith(name.partition(".")[0])
