"""Catching up on what happened without webhooks: nothing is missed or repeated, however late it commits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from shared.database.engines import transaction
from shared.database.queries.deliveries import save_notice
from shared.database.queries.events import save_event
from shared.jobs.events import EventKind
from tests.integration.api.conftest import Serve
from tests.support.api import Service, background
from tests.support.processes import wait_until

PATH = "/api/events"


@pytest.fixture
def own(serve: Serve) -> Iterator[Service]:
    """An API with a database of the test's own."""
    with serve() as api:
        yield api


def page(api: Service, **parameters: Any) -> dict[str, Any]:
    answer = api.get(PATH, params=parameters)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def let_settle(api: Service) -> None:
    """Until no transaction of this server is open that began before the newest event: so long it is not told.

    Others use the server too: to copy a database for the next test takes a transaction of its own.
    """
    settled = text(
        "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint > max(written_by) FROM "
        "(SELECT written_by FROM events UNION ALL SELECT written_by FROM notices) AS all_told"
    )

    def nobody_is_late() -> bool:
        with transaction(api.engine) as session:
            return bool(session.execute(settled).scalar_one())

    wait_until(nobody_is_late)


def told(body: dict[str, Any]) -> list[tuple[str, int]]:
    return [(event["kind"], event["number"]) for event in body["events"]]


def test_all_that_happened_is_read_in_order_a_page_at_a_time(own: Service) -> None:
    jobs = [own.finished(1), own.submit(1)]
    let_settle(own)
    found, cursor = [], None
    while True:
        body = page(own, limit=2, **({"after": cursor} if cursor else {}))
        found += [(event["job_id"], event["number"]) for event in body["events"]]
        cursor = body["next_cursor"]
        if not body["more"]:
            break
    assert found == [(str(jobs[0]), number) for number in (1, 2, 3, 4)] + [(str(jobs[1]), 1)]
    empty = page(own, after=cursor)
    assert empty == {"events": [], "next_cursor": cursor, "more": False}


def test_nothing_is_skipped_that_is_committed_late(own: Service) -> None:
    job = own.submit(1)
    let_settle(own)
    cursor = page(own)["next_cursor"]
    with Session(own.engine) as slow, slow.begin():
        slow.execute(*save_event(job, 2, EventKind.RUNNING))
        own.submit(1)  # committed at once, though it began later
        assert told(page(own, after=cursor)) == []
    let_settle(own)
    assert told(page(own, after=cursor)) == [("query.running", 2), ("query.queued", 1)]


def test_notices_of_the_workspace_stand_among_the_events(own: Service) -> None:
    job = own.submit(1)
    with transaction(own.engine) as session:
        session.execute(save_notice(1, "webhook.endpoint_disabled", {"because": "gone"}))
        session.execute(*save_event(job, 2, EventKind.RUNNING))
        session.execute(save_notice(1, "webhook.endpoint_disabled", {"because": "failing"}))
    let_settle(own)
    whole = page(own)["events"]
    assert len(whole) == 4
    assert {event["kind"] for event in whole[1:]} == {"webhook.endpoint_disabled", "query.running"}
    notice = next(event for event in whole if event["kind"].startswith("webhook"))
    assert (notice["job_id"], notice["number"]) == (None, None)
    one_by_one, cursor = [], None
    for _ in whole:
        body = page(own, limit=1, **({"after": cursor} if cursor else {}))
        one_by_one += body["events"]
        cursor = body["next_cursor"]
    assert one_by_one == whole


def test_another_workspace_hears_nothing(own: Service) -> None:
    own.submit(1)
    other = own.get(PATH, key=own.new_key("other lab")).json()
    assert other == {"events": [], "next_cursor": None, "more": False}


def test_who_waits_is_answered_when_something_happens_and_in_any_case_in_the_end(own: Service) -> None:
    began = time.monotonic()
    assert page(own, wait=0.6)["events"] == []
    assert time.monotonic() - began >= 0.6

    def submit() -> None:
        time.sleep(0.3)
        own.submit(1)

    with background(submit):
        assert told(page(own, wait=60)) == [("query.queued", 1)]
    assert time.monotonic() - began < 45


@pytest.mark.parametrize("cursor", ["nonsense", "é", "", "MSAy"])
def test_a_cursor_that_was_not_made_here_is_named(api: Service, cursor: str) -> None:
    answer = api.get(PATH, params={"after": cursor})
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (400, "after")
