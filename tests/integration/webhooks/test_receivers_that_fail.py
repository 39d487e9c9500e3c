"""Rows 40 and 43: a receiver that hangs costs the others nothing, one that is dead is not tried for ever."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from shared.database.engines import transaction
from shared.database.tables import WebhookEndpoint
from shared.webhooks.keys import Secret
from shared.webhooks.schedule import GIVEN_UP_AFTER
from shared.webhooks.sealing import Seal
from tests.integration.webhooks.conftest import Serving
from tests.support.jobs import save_job
from tests.support.post_offices import post_office
from tests.support.processes import wait_until
from tests.support.receivers import Reply, hanging_receiver, receiver
from tests.support.webhooks import deliveries_to, save_endpoint

HEALTHY, JOBS = 50, 3
NEVER = timedelta(minutes=10)


def states(engine: Engine, endpoint: UUID) -> Counter[str]:
    return Counter(str(delivery.state) for delivery in deliveries_to(engine, endpoint))


def condition(engine: Engine, endpoint: UUID) -> tuple[bool, str | None, bool]:
    """Whether it is enabled, why not, and whether it is failing."""
    with transaction(engine) as session:
        row = session.get_one(WebhookEndpoint, endpoint)
        return row.enabled, row.disabled_because, row.failing_since is not None


def notices(engine: Engine) -> list[tuple[str, str]]:
    with transaction(engine) as session:
        rows = session.execute(text("SELECT data->>'endpoint_id', data->>'because' FROM notices")).all()
    return [(endpoint, because) for endpoint, because in rows]


def test_fifty_healthy_endpoints_are_served_before_one_attempt_at_one_that_hangs_is_over(
    engine: Engine, seal: Seal, database_url: str
) -> None:
    """Row 40; here no attempt at it is ever over."""
    sealed = seal.close(Secret.new())
    office = post_office(database_url, "http://genequeue.test", total=NEVER, lease=2 * NEVER)
    with receiver() as healthy, hanging_receiver() as hanging, office:
        stuck = save_endpoint(engine, hanging.url, secret=sealed)
        for number in range(HEALTHY):
            save_endpoint(engine, f"{healthy.url}/{number}", secret=sealed)
        for _ in range(JOBS):
            save_job(engine)
        wait_until(lambda: len(healthy.requests) == HEALTHY * JOBS, 120)
        assert states(engine, stuck) == {"sending": 2, "waiting": JOBS - 2}
        assert len(hanging.requests) == 2
    assert Counter(request.path for request in healthy.requests) == {
        f"/hook/{number}": JOBS for number in range(HEALTHY)
    }


def test_five_days_of_nothing_but_failures_disable_an_endpoint_and_leave_a_notice(
    engine: Engine, seal: Seal, serving: Serving
) -> None:
    """Row 43; what waited for it has failed and can be recovered, what happens later is not told."""
    long_ago = datetime.now(UTC) - GIVEN_UP_AFTER - timedelta(minutes=1)
    with receiver(lambda _: Reply(500)) as lab:
        endpoint = save_endpoint(
            engine, lab.url, secret=seal.close(Secret.new()), failing_since=long_ago, max_attempts=10
        )
        for _ in range(3):
            save_job(engine)
        with serving():
            wait_until(lambda: states(engine, endpoint) == {"failed": 3})
        assert condition(engine, endpoint) == (False, "failing", True)
        assert notices(engine) == [(str(endpoint), "failing")]
        save_job(engine)
        assert states(engine, endpoint) == {"failed": 3}
        assert 1 <= len(lab.requests) <= 3


@pytest.mark.parametrize(
    ("status", "left", "expected"),
    [
        (500, timedelta(hours=1), (True, None, True)),
        (204, timedelta(minutes=-1), (True, None, False)),
    ],
    ids=["a little less than five days", "one success after five days"],
)
def test_less_than_five_days_or_one_success_disable_nothing(
    engine: Engine,
    seal: Seal,
    serving: Serving,
    status: int,
    left: timedelta,
    expected: tuple[bool, str | None, bool],
) -> None:
    since = datetime.now(UTC) - GIVEN_UP_AFTER + left
    with receiver(lambda _: Reply(status)) as lab, serving():
        endpoint = save_endpoint(engine, lab.url, secret=seal.close(Secret.new()), failing_since=since)
        save_job(engine)
        wait_until(lambda: deliveries_to(engine, endpoint)[0].last_status == status)
    assert condition(engine, endpoint) == expected
    assert notices(engine) == []


def test_410_is_the_end_at_the_first_attempt_and_what_waits_is_not_sent(
    engine: Engine, seal: Seal, serving: Serving
) -> None:
    with receiver(lambda _: Reply(410, after=0.2)) as lab:
        endpoint = save_endpoint(engine, lab.url, secret=seal.close(Secret.new()))
        for _ in range(10):
            save_job(engine)
        with serving():
            wait_until(lambda: states(engine, endpoint) == {"failed": 10})
    assert condition(engine, endpoint)[:2] == (False, "gone")
    assert notices(engine) == [(str(endpoint), "gone")]
    assert len(lab.requests) <= 2, "those that were under way at once"


def test_what_else_waits_for_an_endpoint_that_asks_for_a_rest_is_not_sent_before(
    engine: Engine, seal: Seal, serving: Serving
) -> None:
    """Neither what waited already nor what is new; others are served meanwhile."""
    with receiver(lambda _: Reply(503, {"retry-after": "600"})) as lab, receiver() as healthy:
        resting = save_endpoint(engine, lab.url, secret=seal.close(Secret.new()))
        for _ in range(4):
            save_job(engine)
        with serving():
            wait_until(lambda: condition(engine, resting)[2] and states(engine, resting) == {"waiting": 4})
            other = save_endpoint(engine, healthy.url, secret=seal.close(Secret.new()))
            save_job(engine)
            wait_until(lambda: states(engine, other) == {"delivered": 1})
    assert states(engine, resting) == {"waiting": 5}
    assert len(lab.requests) <= 2, "those that were under way at once"
