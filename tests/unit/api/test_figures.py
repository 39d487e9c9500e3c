"""The gauges of a snapshot: what is offered is shown at zero, what is not readable is not shown at all."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from api.services.figures import Snapshot, families

OFFERED = [("bulk", 1), ("sc", 1)]


def values(snapshot: Snapshot | None) -> dict[tuple[Any, ...], float]:
    return {
        (sample.name.removeprefix("genequeue_"), *sample.labels.values()): sample.value
        for family in families(snapshot, OFFERED)
        for sample in family.samples
    }


def test_a_database_that_is_away_leaves_one_gauge_that_says_so() -> None:
    assert values(None) == {("rows_readable",): 0.0}


def test_an_idle_service_shows_zeros_for_every_version_that_it_offers() -> None:
    shown = values(Snapshot([], [], []))
    assert shown[("rows_readable",)] == 1.0
    assert shown[("live_workers",)] == shown[("live_upkeep",)] == 0.0
    for model in ("bulk", "sc"):
        assert shown[("holding_workers", model, "1")] == 0.0
        for lane in ("interactive", "bulk"):
            assert shown[("open_chunks", model, "1", lane, "queued")] == 0.0
            assert shown[("oldest_queued_seconds", model, "1", lane)] == 0.0


def test_work_is_shown_by_version_lane_and_state_also_of_versions_that_are_offered_no_more() -> None:
    work = [
        ("bulk", 1, "interactive", "queued", 3, 12, timedelta(seconds=40)),
        ("bulk", 1, "bulk", "queued", 5, 50, timedelta(seconds=70)),
        ("bulk", 1, "interactive", "running", 1, 4, timedelta(seconds=50)),
        ("old", 7, "bulk", "queued", 1, 2, timedelta(seconds=9)),
    ]
    shown = values(Snapshot(work, [("bulk", "running", 2)], [{("bulk", 1)}, {("bulk", 1), ("sc", 1)}], 1))
    assert shown[("open_chunks", "bulk", "1", "interactive", "queued")] == 3
    assert shown[("open_chunks", "bulk", "1", "bulk", "queued")] == 5
    assert shown[("open_samples", "bulk", "1", "interactive", "running")] == 4
    assert shown[("oldest_queued_seconds", "bulk", "1", "interactive")] == 40
    assert shown[("oldest_queued_seconds", "bulk", "1", "bulk")] == 70
    assert shown[("oldest_queued_seconds", "old", "7", "bulk")] == 9
    assert shown[("live_upkeep",)] == 1
    assert shown[("open_jobs", "bulk", "running")] == 2
    assert shown[("live_workers",)] == 2
    assert shown[("holding_workers", "bulk", "1")] == 2
    assert shown[("holding_workers", "sc", "1")] == 1
    assert shown[("holding_workers", "old", "7")] == 0, "it waits, and nobody holds it"


def test_deliveries_that_wait_and_endpoints_that_are_sent_nothing_are_shown() -> None:
    assert values(Snapshot([], [], []))[("overdue_endpoints",)] == 0
    shown = values(Snapshot([], [], [], deliveries=(12, 3)))
    assert (shown[("open_deliveries",)], shown[("overdue_endpoints",)]) == (12, 3)
