"""Waiting for a query: long polls and server-sent events over one numbered log of events."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.integration.api.conftest import Serve
from tests.support import calls
from tests.support.api import Service, now, once_somebody_waits, wait_until_somebody_waits
from tests.support.jobs import read_events, read_job

LONG = 60  # seconds, the longest wait that is granted: far beyond what an answer takes that does not wait


@pytest.fixture(autouse=True)
def clean(api: Service) -> None:
    api.completer.run_all()


def ask(api: Service, job_id: UUID, wait: float, tag: str | None = None) -> httpx.Response:
    headers = {"If-None-Match": tag} if tag else {}
    return api.get(f"/api/model-queries/{job_id}?wait={wait}", headers=headers)


def test_the_tag_is_the_number_of_the_newest_event(api: Service) -> None:
    job_id = api.submit(4)
    assert ask(api, job_id, 0).headers["etag"] == 'W/"1"'
    api.completer.claim(1)
    assert ask(api, job_id, 0).headers["etag"] == f'W/"{read_job(api.engine, job_id).events}"' == 'W/"2"'


def test_a_long_poll_ends_as_soon_as_something_happens(api: Service) -> None:
    job_id = api.submit(4)
    began = time.monotonic()
    with once_somebody_waits(api, lambda: api.completer.claim(1)):
        answer = ask(api, job_id, LONG, 'W/"1"')
    assert answer.json()["status"] == "running"
    assert time.monotonic() - began < LONG / 2


def test_without_a_tag_it_waits_for_the_next_event(api: Service) -> None:
    job_id = api.submit(4)
    began = time.monotonic()
    with once_somebody_waits(api, lambda: api.completer.claim(1)):
        assert ask(api, job_id, LONG).json()["status"] == "running"
    assert time.monotonic() - began < LONG / 2


def test_a_tag_that_is_old_is_answered_at_once(api: Service) -> None:
    job_id = api.submit(4)
    api.completer.claim(1)
    began = time.monotonic()
    assert ask(api, job_id, LONG, 'W/"1"').json()["status"] == "running"
    assert time.monotonic() - began < LONG / 2


def test_nothing_new_is_304_after_the_wait_and_at_once_for_a_query_that_is_over(api: Service) -> None:
    job_id = api.submit(4)
    began = time.monotonic()
    answer = ask(api, job_id, 0.5, '"1"')
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", 'W/"1"')
    assert time.monotonic() - began >= 0.5
    api.completer.fail(job_id, "It broke.")
    began = time.monotonic()
    assert ask(api, job_id, LONG, ask(api, job_id, 0).headers["etag"]).status_code == 304
    assert time.monotonic() - began < LONG / 2


def test_a_wait_of_more_than_a_minute_is_refused(api: Service) -> None:
    answer = ask(api, api.submit(1), 61)
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "wait")


def test_another_workspaces_query_is_not_waited_for(api: Service) -> None:
    job_id, other, began = api.submit(1), api.new_key("other"), time.monotonic()
    path = f"/api/model-queries/{job_id}"
    assert api.get(f"{path}?wait={LONG}", key=other).status_code == 404
    assert api.get(f"{path}/events", key=other).status_code == 404
    assert time.monotonic() - began < LONG / 2


def test_a_hundred_who_wait_hold_no_connection(serve: Serve) -> None:
    """One connection in all: whoever held it while waiting would lock the others out."""
    with serve(database_pool_size=1, database_patience="PT60S") as api:
        job_id, since = api.submit(4), now(api.engine)
        with ThreadPoolExecutor(100) as pool:
            waiting = [pool.submit(ask, api, job_id, LONG, 'W/"1"') for _ in range(100)]
            wait_until_somebody_waits(api.engine, since)
            time.sleep(2)
            assert api.get(f"/api/model-queries/{job_id}/status").json() == {"status": "queued"}
            api.completer.claim(1)
            assert {answer.result().json()["status"] for answer in waiting} == {"running"}


@contextmanager
def following(api: Service, job_id: UUID, after: int | None = None) -> Iterator[httpx.Response]:
    headers = {"Authorization": f"Bearer {api.key}", **({"Last-Event-ID": str(after)} if after else {})}
    url = f"{api.url}/api/model-queries/{job_id}/events"
    with calls.stream("GET", url, headers=headers) as answer:
        yield answer


def events_in(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """The events of a stream, read as a browser does."""
    event: dict[str, Any] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if not line and event:
            yield event
            event = {}
        elif name:
            event[name] = json.loads(value) if name == "data" else value


def finish(api: Service) -> None:
    for chunk in api.completer.claim(10):
        api.completer.complete(chunk)


def test_events_come_as_they_happen_and_end_with_the_last(api: Service) -> None:
    job_id = api.submit(8)
    with once_somebody_waits(api, lambda: finish(api)), following(api, job_id) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-accel-buffering"] == "no"
        events = list(events_in(answer.iter_lines()))
    saved = read_events(api.engine, job_id)
    assert [event["id"] for event in events] == [str(event.number) for event in saved] == list("12345")
    assert [event["event"] for event in events] == [event.kind for event in saved]
    assert events[-1]["event"] == "query.ready"
    assert events[2]["data"]["samples_done"] == 4


def test_a_stream_that_is_cut_goes_on_after_the_event_that_arrived(api: Service) -> None:
    job_id = api.submit(8)
    numbers = []
    with following(api, job_id) as answer:
        numbers.append(int(next(events_in(answer.iter_lines()))["id"]))
    finish(api)
    while len(numbers) < 4:
        with following(api, job_id, numbers[-1]) as answer:
            numbers.append(int(next(events_in(answer.iter_lines()))["id"]))
    with following(api, job_id, numbers[-1]) as answer:
        numbers += [int(event["id"]) for event in events_in(answer.iter_lines())]
    assert numbers == [1, 2, 3, 4, 5]
    with following(api, job_id, 5) as answer:
        assert answer.status_code == 204  # A browser does not come back after that.
