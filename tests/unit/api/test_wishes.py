"""The headers of a submit: what they grant, what they refuse, what they ignore."""

from __future__ import annotations

from datetime import timedelta

import pytest

from api.schemas.wishes import Wishes, read_wishes
from shared.errors import InvalidInput


def test_nothing_asked_for_is_nothing_granted() -> None:
    assert read_wishes(None, None, None) == Wishes()


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        ("wait=5", 5),
        ("respond-async, wait=5", 5),
        ('WAIT = "5"; foo', 5),
        ("wait=0", 0),
        ("wait=600", 60),
    ],
)
def test_a_wait_is_granted_up_to_a_minute(prefer: str, seconds: int) -> None:
    assert read_wishes(None, prefer, None).wait == timedelta(seconds=seconds)


@pytest.mark.parametrize("prefer", ["wait", "wait=-1", "wait=soon", "return=minimal", "wait=1e3", ""])
def test_a_preference_that_is_not_understood_is_ignored(prefer: str) -> None:
    assert read_wishes(None, prefer, None).wait is None


@pytest.mark.parametrize("key", ["8e03978e-40d5", '"8e03978e-40d5"'])
def test_a_key_may_be_quoted(key: str) -> None:
    assert read_wishes(key, None, None).key == "8e03978e-40d5"


@pytest.mark.parametrize("key", ["", '""', "a b", "k" * 256, "ä", "a\tb", '"a'])
def test_a_key_that_is_none_is_refused(key: str) -> None:
    with pytest.raises(InvalidInput, match="Idempotency-Key"):
        read_wishes(key, None, None)


@pytest.mark.parametrize("written", ["0", "-1", "1.5", "soon", "", "31536001", "9" * 5000, "٣"])
def test_cancel_after_is_seconds_of_a_year_at_most(written: str) -> None:
    assert read_wishes(None, None, " 90 ").cancel_after == timedelta(seconds=90)
    with pytest.raises(InvalidInput, match="Cancel-After"):
        read_wishes(None, None, written)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(InvalidInput) as refused:
        read_wishes("", None, "soon")
    assert [fault.path for fault in refused.value.faults] == ["Idempotency-Key", "Cancel-After"]
