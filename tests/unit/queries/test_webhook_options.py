"""The webhook that a query names itself: where it may go by its spelling, and what it is told."""

from __future__ import annotations

import pytest

from tests.unit.queries.conftest import Check, Refuse, query_of

URL = "https://lab.example.org/hook"


def test_a_url_and_its_events_are_read_in_the_order_of_events(check: Check) -> None:
    spec = check(query_of(webhook_url=f" {URL} ", webhook_events=["query.ready", "query.queued"]))
    assert (spec.webhook_url, spec.webhook_events) == (URL, ("query.queued", "query.ready"))
    assert check(query_of()).webhook_url is None


def test_a_lone_event_is_a_list_of_one_as_r_writes_it(check: Check) -> None:
    assert check(query_of(webhook_url=URL, webhook_events="query.ready")).webhook_events == ("query.ready",)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (5, "not a URL"),
        ("lab.example.org", "https://"),
        ("ftp://lab.example.org", "https://"),
        ("https://user:word@lab.example.org/", "user name or password"),
        ("https://0x7f.1/hook", "unusual form"),
        ("https://lab.example.org:22/", "Port 22"),
    ],
)
def test_a_url_that_may_not_be_called_is_refused_at_its_path(refuse: Refuse, url: object, said: str) -> None:
    faults = refuse(query_of(webhook_url=url))
    assert list(faults) == ["webhook_url"]
    assert said in faults["webhook_url"]


@pytest.mark.parametrize("events", [[], {}, ["query.done"], [3], 3])
def test_events_that_there_are_not_are_refused_with_those_there_are(refuse: Refuse, events: object) -> None:
    assert '"query.ready"' in refuse(query_of(webhook_url=URL, webhook_events=events))["webhook_events"]


def test_every_fault_is_told_at_once(refuse: Refuse) -> None:
    faults = refuse(query_of(webhook_url="x", webhook_events=["y"], seed=-1))
    assert sorted(faults) == ["seed", "webhook_events", "webhook_url"]


def test_events_without_a_url_are_said_to_have_no_effect(check: Check) -> None:
    (note,) = check(query_of(webhook_events=["query.ready"])).notes
    assert note.startswith("webhook_events: it has no effect without webhook_url")
    assert check(query_of(webhook_url=URL, webhook_events=["query.ready"])).notes == ()


def test_a_password_in_a_refused_url_is_not_repeated(refuse: Refuse) -> None:
    assert "word" not in refuse(query_of(webhook_url="https://a:s3cret-wrd@b.org/"))["webhook_url"].replace(
        "password", ""
    )
