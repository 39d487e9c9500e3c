"""Options that say how a query is handled, not what is computed: priority, deadline, retention, own pairs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared.jobs.lanes import Lane
from tests.unit.queries.conftest import Check, Refuse, query_of


def test_left_open_they_are_for_the_server_to_settle(check: Check) -> None:
    spec = check(query_of())
    assert (spec.priority, spec.deadline, spec.expires_in, spec.client_metadata) == (None, None, None, {})


def test_each_is_read(check: Check) -> None:
    options = {
        "priority": "bulk",
        "deadline": "2030-01-31T18:00:00+01:00",
        "expires_in": "P7D",
        "client_metadata": {"run": "7", "plate": " A1 "},
    }
    spec = check(query_of(**options))
    assert spec.priority is Lane.BULK
    assert spec.deadline == datetime(2030, 1, 31, 17, tzinfo=UTC)
    assert spec.expires_in == timedelta(days=7)
    assert spec.client_metadata == {"run": "7", "plate": "A1"}


@pytest.mark.parametrize(
    ("written", "hours"),
    [("PT1H", 1), ("P1DT12H", 36), ("P2W", 336), ("P365D", 8760), ("PT90M", 1.5), (7200, 2), (5400.0, 1.5)],
)
def test_a_duration_is_iso_8601_or_seconds(check: Check, written: object, hours: float) -> None:
    assert check(query_of(expires_in=written)).expires_in == timedelta(hours=hours)


@pytest.mark.parametrize(
    "written",
    [
        "PT59M",
        "P366D",
        "P1M",
        "P1Y",
        "P",
        "PT",
        "P1DT",
        "7 days",
        "",
        3599,
        1e300,
        float("nan"),
        True,
        [7200],
    ],
)
def test_any_other_duration_is_refused_with_the_rule(refuse: Refuse, written: object) -> None:
    message = refuse(query_of(expires_in=written))["expires_in"]
    assert "from PT1H to P365D" in message
    assert "P7D" in message


@pytest.mark.parametrize(
    "written",
    ["2030-01-31T18:00:00", "tomorrow", 1893456000, "2030-13-01T00:00:00Z", "9999-12-31T23:59:59-12:00"],
)
def test_a_deadline_without_a_zone_or_of_another_form_is_refused(refuse: Refuse, written: object) -> None:
    assert "zone" in refuse(query_of(deadline=written))["deadline"]


def test_a_priority_is_one_of_two(refuse: Refuse) -> None:
    assert '"interactive", "bulk"' in refuse(query_of(priority="high"))["priority"]


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ({str(number): "x" for number in range(17)}, "at most 16"),
        ({"run": 7}, "'run': 7 is not a text"),
        ({"run": "x" * 501}, "at most 500"),
        ({"k" * 65: "x"}, "at most 64"),
        ({"": "x"}, "empty"),
        ("run=7", "must be an object"),
        (["run"], "must be an object"),
    ],
)
def test_pairs_that_are_too_many_too_long_or_no_texts_are_refused(
    refuse: Refuse, pairs: object, said: str
) -> None:
    assert said in refuse(query_of(client_metadata=pairs))["client_metadata"]


def test_an_empty_list_is_rs_way_to_write_no_pairs(check: Check) -> None:
    assert check(query_of(client_metadata=[])).client_metadata == {}
