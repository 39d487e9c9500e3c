"""When a delivery is tried again, and what an answer means for it: a decision is a value; nothing is sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from http import HTTPStatus

# From the failure of an attempt to the next one; the first is at once. The specification's own schedule.
WAITS = tuple(
    timedelta(seconds=seconds)
    for seconds in (
        0,
        5,
        5 * 60,
        30 * 60,
        2 * 3_600,
        5 * 3_600,
        10 * 3_600,
        14 * 3_600,
        20 * 3_600,
        24 * 3_600,
    )
)
MOST_ATTEMPTS = len(WAITS)
GIVEN_UP_AFTER = timedelta(days=5)  # of nothing but failures: then the endpoint is disabled
_JITTER = 0.1  # so that what failed together is not tried again together
_LONGEST_WISH = timedelta(days=1)
_SLOW_DOWN = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)


class Verdict(StrEnum):
    """What becomes of a delivery."""

    DELIVERED = "delivered"  # the receiver has it
    AGAIN = "again"  # later
    FAILED = "failed"  # its last attempt
    GONE = "gone"  # the receiver says that it wants nothing any more


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: a status, or None where there was no answer. `wish` is its Retry-After."""

    status: int | None
    wish: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a delivery, after how long it is tried again, and how long its endpoint is to rest."""

    verdict: Verdict
    wait: timedelta = timedelta()
    rest: timedelta = timedelta()


def decide(answer: Answer, attempts: int, most: int, chance: float) -> Decision:
    """What an answer means after so many attempts (1 or more) of at most `most`.

    `chance` lies in [0, 1) and lengthens the wait by up to a tenth.
    """
    if answer.status is not None and HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return Decision(Verdict.DELIVERED)
    if answer.status == HTTPStatus.GONE:
        return Decision(Verdict.GONE)
    asked = answer.wish if answer.wish is not None and answer.status in _SLOW_DOWN else timedelta()
    rest = min(asked, _LONGEST_WISH)
    if attempts >= min(most, MOST_ATTEMPTS):
        return Decision(Verdict.FAILED, rest=rest)
    return Decision(Verdict.AGAIN, max(WAITS[attempts] * (1 + _JITTER * chance), rest), rest)
