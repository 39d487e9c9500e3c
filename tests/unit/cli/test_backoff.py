"""How long the supervisor waits before it starts a process again."""

from __future__ import annotations

from datetime import timedelta

from cli.machine.supervisor import Backoff


def test_the_delay_doubles_with_each_failure() -> None:
    backoff = Backoff(first=timedelta(seconds=1), longest=timedelta(seconds=100))
    assert [backoff.delay(n).total_seconds() for n in (1, 2, 3, 4)] == [1, 2, 4, 8]


def test_the_delay_has_a_bound_whatever_the_number_of_failures() -> None:
    backoff = Backoff(longest=timedelta(seconds=30))
    assert backoff.delay(50) == backoff.delay(10**6) == timedelta(seconds=30)
