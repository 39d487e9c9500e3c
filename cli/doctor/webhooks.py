"""Webhooks: is what is due sent, and was an endpoint given up?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import UUID

from cli.doctor.finding import Finding, ago, count, ok, warning, wrong
from cli.doctor.installation import Installation
from shared.database.engines import transaction
from shared.database.queries.delivery_diagnosis import given_up, open_deliveries
from shared.webhooks.states import Disabled

_OVERDUE = timedelta(seconds=30)  # Senders look every second.
_NAMED = 5
_BECAUSE = {Disabled.GONE: "answered 410", Disabled.FAILING: "failed for five days"}


def examine_webhooks(place: Installation) -> Iterator[Finding]:
    """Whether deliveries are sent when they are due, and which endpoints are told nothing any more."""
    with transaction(place.engine) as session:
        waiting, overdue, late = session.execute(open_deliveries(_OVERDUE)).one()
        disabled = [(endpoint_id, url, why) for endpoint_id, url, why in session.execute(given_up(_NAMED))]
    yield judge_deliveries(waiting, overdue, late or timedelta(), place.log("upkeep"))
    yield from judge_endpoints(disabled)


def judge_deliveries(waiting: int, overdue: int, late: timedelta, log: str) -> Finding:
    """Deliveries that wait or are sent, and endpoints that should have been sent something `late` ago."""
    if not overdue:
        return ok(
            "webhooks", f"{count(waiting, 'message')} under way or waiting for their time, none overdue."
        )
    found = f"Nothing is sent to {count(overdue, 'endpoint')}, though something is due for {ago(late)}."
    return wrong("webhooks", found, f"The upkeep worker sends: start one with `python -m worker.cpu`. {log}")


def judge_endpoints(disabled: Sequence[tuple[UUID, str, str | None]]) -> Iterator[Finding]:
    """Id, URL and reason of endpoints that were disabled for what they answered."""
    for endpoint_id, url, why in disabled:
        # A path or query may be somebody's secret.
        host, because = urlsplit(url).hostname, _BECAUSE[Disabled(why or "")]
        found = f"Endpoint {endpoint_id} at {host} {because}, and is told nothing."
        remedy = (
            f"Put the receiver right, PATCH /api/webhook-endpoints/{endpoint_id} with "
            '{"enabled": true}, then POST .../recover?since=<time> sends what failed; or delete it.'
        )
        yield warning("webhooks", found, remedy)
