"""What an answer means for a delivery."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.webhooks.schedule import MOST_ATTEMPTS, WAITS, Answer, Verdict, decide

NOTHING = Answer(None)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_only_2xx_is_success(status: int) -> None:
    assert decide(Answer(status), 1, 10, 0).verdict is Verdict.DELIVERED


@pytest.mark.parametrize("status", [None, 100, 301, 302, 307, 400, 401, 404, 409, 429, 500, 503])
def test_everything_else_is_tried_again(status: int | None) -> None:
    assert decide(Answer(status), 1, 10, 0).verdict is Verdict.AGAIN


def test_410_ends_it_at_once() -> None:
    assert decide(Answer(410), 1, 10, 0).verdict is Verdict.GONE


def test_the_schedule_is_that_of_the_specification_and_ends_after_ten() -> None:
    waits = [decide(NOTHING, attempts, 10, 0).wait for attempts in range(1, MOST_ATTEMPTS)]
    hours = [0, 0, 0, 0, 2, 5, 10, 14, 20, 24]
    assert [wait.total_seconds() for wait in waits[:3]] == [5, 300, 1_800]
    assert [wait / timedelta(hours=1) for wait in waits[3:]] == hours[4:]
    assert waits == list(WAITS[1:])
    assert decide(NOTHING, MOST_ATTEMPTS, 10, 0).verdict is Verdict.FAILED


def test_an_endpoint_may_be_tried_less_often_and_never_more() -> None:
    assert decide(NOTHING, 3, 3, 0).verdict is Verdict.FAILED
    assert decide(NOTHING, MOST_ATTEMPTS, 99, 0).verdict is Verdict.FAILED


def test_jitter_lengthens_a_wait_by_up_to_a_tenth() -> None:
    waits = [decide(NOTHING, 2, 10, chance).wait.total_seconds() for chance in (0, 0.5, 0.999)]
    assert waits[0] == 300
    assert waits == sorted(waits)
    assert waits[-1] < 330


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_retry_after_is_honoured_up_to_a_day_and_never_shortens(status: int) -> None:
    def wait(wish: timedelta) -> timedelta:
        return decide(Answer(status, wish), 2, 10, 0).wait

    assert wait(timedelta(hours=1)) == timedelta(hours=1)
    assert wait(timedelta(days=30)) == timedelta(days=1)
    assert wait(timedelta(seconds=1)) == timedelta(minutes=5)


def test_the_endpoint_rests_as_long_as_it_asked_for_also_after_the_last_attempt() -> None:
    asked = Answer(503, timedelta(minutes=1))
    assert [decide(asked, attempts, 10, 0).rest for attempts in (1, 10)] == [timedelta(minutes=1)] * 2
    assert decide(Answer(500, timedelta(hours=1)), 1, 10, 0).rest == timedelta()
    assert decide(Answer(204, timedelta(hours=1)), 1, 10, 0).rest == timedelta()


def test_retry_after_of_another_status_means_nothing() -> None:
    assert decide(Answer(500, timedelta(hours=1)), 2, 10, 0).wait == timedelta(minutes=5)
