"""Submitting with wishes: one job per key, an answer that waits, priority, deadline, and no room."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text, update

from shared.database.engines import transaction
from shared.database.queries.idempotency import forget_old_keys
from shared.database.tables import IdempotencyKey
from tests.integration.api.conftest import Serve
from tests.support import calls
from tests.support.api import Service, background, claim_soon, query_of
from tests.support.jobs import read_chunks, read_job
from tests.support.processes import wait_until

OPTIONS = {
    "priority": "bulk",
    "deadline": "2040-01-31T18:00:00+01:00",
    "expires_in": "P7D",
    "client_metadata": {"run": "7"},
}


@pytest.fixture(autouse=True)
def clean(api: Service) -> None:
    api.completer.run_all()


def keyed(api: Service, key: str, *sizes: int, **options: object) -> httpx.Response:
    return api.predict(query_of(*sizes, **options), headers={"Idempotency-Key": key})


def count_jobs(api: Service) -> int:
    with transaction(api.engine) as session:
        return int(session.execute(text("SELECT count(*) FROM jobs")).scalar_one())


def age_keys(api: Service, by: timedelta) -> None:
    with transaction(api.engine) as session:
        session.execute(update(IdempotencyKey).values(created_at=IdempotencyKey.created_at - by))


def test_fifty_equal_posts_at_once_make_one_job(api: Service) -> None:
    before = count_jobs(api)
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: keyed(api, "fifty", 3), range(50)))
    assert count_jobs(api) == before + 1
    assert {answer.status_code for answer in answers} <= {202, 409}
    accepted = [answer for answer in answers if answer.status_code == 202]
    assert len({answer.json()["modelQueryId"] for answer in accepted}) == 1
    assert Counter(answer.headers.get("idempotent-replayed") for answer in accepted)[None] == 1
    assert keyed(api, "fifty", 3).headers["idempotent-replayed"] == "true"


def test_the_first_answer_is_replayed_also_quoted_and_with_its_keys_in_another_order(api: Service) -> None:
    first = keyed(api, "again", 3, seed=1)
    query = dict(reversed(query_of(3, seed=1).items()))
    second = api.predict(query, headers={"Idempotency-Key": '"again"'})
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert (second.status_code, second.content) == (first.status_code, first.content)
    assert second.headers["location"] == first.headers["location"]


def test_a_self_hosted_call_under_the_same_key_reads_the_same_job_again(api: Service) -> None:
    headers = {"Idempotency-Key": "arrow", "Accept": "application/vnd.apache.arrow.stream"}
    with background(lambda: api.completer.complete(*claim_soon(api.completer, 1))):
        first = api.predict(query_of(3), headers=headers)
    second = api.predict(query_of(3), headers=headers)
    assert (first.status_code, second.headers["idempotent-replayed"]) == (200, "true")
    assert second.headers["location"] == first.headers["location"]
    assert second.content == first.content


def test_another_query_under_the_same_key_is_refused_and_another_workspace_is_not(api: Service) -> None:
    first = keyed(api, "mine", 3)
    refused = keyed(api, "mine", 4)
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    assert first.json()["modelQueryId"] in refused.json()["error"]
    other = {"key": api.new_key("other"), "headers": {"Idempotency-Key": "mine"}}
    assert api.predict(query_of(4), **other).status_code == 202
    assert api.predict(query_of(3), "gem-1-sc", headers={"Idempotency-Key": "mine"}).status_code == 422


def test_a_key_that_another_request_holds_is_409(api: Service) -> None:
    with api.engine.connect() as connection:
        workspace = connection.exec_driver_sql(
            "SELECT id FROM workspaces WHERE name = 'default'"
        ).scalar_one()
        statement = f"SELECT pg_advisory_xact_lock(hashtextextended('{workspace} held', 0))"
        connection.exec_driver_sql(statement)
        refused = keyed(api, "held", 3)
        connection.rollback()
    assert (refused.status_code, refused.json()["code"]) == (409, "idempotency_key_in_use")
    assert keyed(api, "held", 3).status_code == 202


def test_a_refused_query_does_not_use_up_its_key(api: Service) -> None:
    assert keyed(api, "faulty", 0).status_code == 422
    assert keyed(api, "faulty", 3).status_code == 202


def test_a_key_is_kept_for_72_hours_and_then_new_again(api: Service) -> None:
    first = keyed(api, "old", 3).json()["modelQueryId"]
    age_keys(api, timedelta(hours=71))
    assert keyed(api, "old", 3).json()["modelQueryId"] == first
    age_keys(api, timedelta(hours=2))
    assert keyed(api, "old", 4).json()["modelQueryId"] != first
    with transaction(api.engine) as session:
        session.execute(forget_old_keys())
        assert session.scalars(text("SELECT key FROM idempotency_keys")).all() == ["old"]


@pytest.mark.parametrize(("header", "value"), [("Idempotency-Key", "two words é"), ("Cancel-After", "soon")])
def test_a_header_that_cannot_be_read_is_named(api: Service, header: str, value: str) -> None:
    answer = api.predict(query_of(1), headers={header: value.encode()})
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (400, header)


def test_a_caller_who_prefers_to_wait_gets_the_result_in_the_same_answer(api: Service) -> None:
    with background(lambda: api.completer.complete(*claim_soon(api.completer, 1))):
        answer = api.predict(query_of(3), headers={"Prefer": "respond-async, wait=60"})
    assert (answer.status_code, answer.headers["preference-applied"]) == (200, "wait=60")
    body = answer.json()
    assert (body["status"], body["id"]) == ("ready", body["modelQueryId"])
    assert len(calls.get(body["links"]["download"]).json()["outputs"]) == 3


def test_a_wait_that_is_over_is_202(api: Service) -> None:
    began = time.monotonic()
    answer = api.predict(query_of(3), headers={"Prefer": "wait=1"})
    assert time.monotonic() - began >= 1
    assert (answer.status_code, list(answer.json())) == (202, ["modelQueryId"])
    assert answer.headers["location"].endswith(answer.json()["modelQueryId"])
    assert answer.headers["preference-applied"] == "wait=1"


def test_options_are_kept_and_echoed(api: Service) -> None:
    job_id = api.submit(1, **OPTIONS)
    state = api.get(f"/api/model-queries/{job_id}").json()
    assert (state["priority"], state["client_metadata"]) == ("bulk", {"run": "7"})
    assert state["deadline"] == "2040-01-31T17:00:00Z"
    job = read_job(api.engine, job_id)
    assert job.expires_at - job.created_at == timedelta(days=7)
    assert {chunk.lane for chunk in read_chunks(api.engine, job_id)} == {"bulk"}


def test_the_size_decides_the_lane_of_a_query_that_names_none(serve: Serve) -> None:
    with serve(interactive_samples=4) as api:
        lanes = [read_job(api.engine, api.submit(size)).lane for size in (4, 5)]
        assert lanes == ["interactive", "bulk"]
        assert read_job(api.engine, api.submit(5, priority="interactive")).lane == "interactive"


def test_cancel_after_is_a_deadline_and_the_earlier_one_holds(api: Service) -> None:
    def deadline_in(cancel_after: str, **options: str) -> timedelta | None:
        answer = api.predict(query_of(1, **options), headers={"Cancel-After": cancel_after})
        job = read_job(api.engine, UUID(answer.json()["modelQueryId"]))
        return job.deadline - job.created_at if job.deadline else None

    assert deadline_in("90") == timedelta(seconds=90)
    assert deadline_in("90", deadline="2040-01-31T18:00:00Z") == timedelta(seconds=90)
    assert read_job(api.engine, api.submit(1)).deadline is None


def test_a_deadline_in_the_past_is_refused_among_all_faults_and_saves_no_job(api: Service) -> None:
    before = count_jobs(api)
    for route in ("predict", "validate"):
        query = query_of(0, deadline="2020-01-31T18:00:00Z")
        answer = api.call("POST", f"/api/models/gem-1-bulk/{route}", json=query)
        assert answer.status_code == 422
        faults = {fault["path"]: fault["message"] for fault in answer.json()["errors"]}
        assert faults.keys() == {"inputs[0].num_samples", "deadline"}
        assert "2020-01-31T18:00:00Z" in faults["deadline"]
        assert "Write a later moment" in faults["deadline"]
    assert api.predict(query_of(1, deadline="2020-01-31T18:00:00Z")).status_code == 422
    both = api.predict(query_of(1, deadline="2020-01-31T18:00:00Z"), headers={"Cancel-After": "90"})
    assert both.status_code == 422, "a header does not heal what the body says"
    assert api.predict(query_of(1, deadline="2020-01-31")).json()["errors"][0]["message"].count("zone") == 1
    assert count_jobs(api) == before


def test_a_query_that_was_accepted_in_time_is_replayed_after_its_deadline(api: Service) -> None:
    for seconds in (2, 6, 20):  # A deadline must lie ahead when the query arrives.
        end = datetime.now(UTC) + timedelta(seconds=seconds)
        key, soon = f"in-time-{seconds}", end.isoformat()
        first = keyed(api, key, 1, deadline=soon)
        if first.status_code == 202:
            break
    wait_until(lambda: datetime.now(UTC) > end)
    again = keyed(api, key, 1, deadline=soon)
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    assert keyed(api, "too-late", 1, deadline=soon).status_code == 422


@pytest.mark.parametrize("written", ["0", "-5", "1.5"])
def test_a_cancel_after_that_is_no_time_to_come_is_named_with_its_value(api: Service, written: str) -> None:
    answer = api.predict(query_of(1), headers={"Cancel-After": written})
    (fault,) = answer.json()["errors"]
    assert (answer.status_code, fault["path"]) == (400, "Cancel-After")
    assert repr(written) in fault["message"]


def test_a_workspace_that_has_enough_open_work_is_429_until_some_is_done(serve: Serve) -> None:
    with serve(workspace_samples=5) as api:
        first, other = api.submit(4), api.new_key("other")
        api.submit(1)
        refused = api.predict(query_of(1))
        assert (refused.status_code, refused.json()["code"]) == (429, "workspace_full")
        assert int(refused.headers["retry-after"]) > 0
        assert api.predict(query_of(1), key=other).status_code == 202
        assert api.get(f"/api/model-queries/{first}/status").status_code == 200
        api.completer.run_all()
        wait_until(lambda: api.predict(query_of(1)).status_code == 202)


def test_a_server_that_is_full_is_503_but_replays_what_it_took(serve: Serve) -> None:
    with serve(service_samples=5) as api:
        assert keyed(api, "k", 5).status_code == 202
        refused = api.predict(query_of(1), key=api.new_key("other"))
        assert (refused.status_code, refused.json()["code"]) == (503, "service_full")
        assert int(refused.headers["retry-after"]) > 0
        assert keyed(api, "k", 5).headers["idempotent-replayed"] == "true"
