"""One delivery, from its rows to the receiver."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from shared import metrics
from shared.database.engines import async_transaction
from shared.database.queries.standing import failed_inputs
from shared.database.tables import Event, Job, WebhookDelivery, WebhookEndpoint, WebhookSecret
from shared.errors import GeneQueueError
from shared.jobs.events import EventKind
from shared.jobs.states import FINAL_JOB_STATES, JobState
from shared.webhooks.schedule import Answer, Decision, decide
from shared.webhooks.sealing import Seal
from shared.webhooks.signatures import Message, message_id
from shared.webhooks.states import DeliveryState
from worker.webhooks.payload import FAILURES_SHOWN, Failure, Links, event_payload, ping_payload
from worker.webhooks.sending import Attempt, Sender
from worker.webhooks.settling import Outcome, Settler
from worker.webhooks.signing import signers

log = structlog.get_logger()

_PINGS = 1  # it asks whether an endpoint answers now
_UNSIGNED = "There is no secret to sign it with, and nothing is sent unsigned. Rotate the secret."
_UNMADE = "It could not be written ({}): a fault of GeneQueue, whose log has more."


@dataclass(frozen=True, slots=True)
class Told:
    """What a delivery is about."""

    endpoint: WebhookEndpoint
    of_workspace: WebhookSecret | None
    job: Job | None
    event: Event | None

    def is_stale(self, tries: int) -> bool:
        """Whether it is about progress of a job that is over or, at a later try, has come further."""
        if self.job is None or self.event is None or self.event.kind != EventKind.PROGRESS:
            return False
        return self.job.state in FINAL_JOB_STATES or (tries > 1 and self.job.events > self.event.number)


@dataclass(frozen=True, slots=True)
class Courier:
    """Brings deliveries to their endpoints."""

    database: AsyncEngine
    sender: Sender
    seal: Seal
    links: Links
    settler: Settler

    async def deliver(self, delivery: WebhookDelivery, told: Told) -> None:
        """Try a delivery that was taken, and write down what came of it. Raises DatabaseUnavailable."""
        tries = delivery.attempts - delivery.forgiven
        if told.is_stale(tries):
            await self.settler.end(delivery, DeliveryState.SUPERSEDED)
            return
        failures, began = await self._failures(told.job), datetime.now(UTC)
        attempt = await self._try(delivery, told, failures)
        most = told.endpoint.max_attempts if delivery.job_id else _PINGS
        decision = decide(attempt.answer, tries, most, random.random())
        _tell(delivery, told, attempt, decision)
        await self.settler.write_down(Outcome(delivery, began, attempt, decision))

    async def _failures(self, job: Job | None) -> Sequence[Failure]:
        if job is None or not (job.samples_failed or job.state == JobState.FAILED):
            return ()
        async with async_transaction(self.database) as session:
            found = await session.execute(failed_inputs(job.id, FAILURES_SHOWN))
            return [(position, reason) for position, reason in found]

    async def _try(self, delivery: WebhookDelivery, told: Told, failures: Sequence[Failure]) -> Attempt:
        """One attempt; one that cannot be made counts, so that it is not made for ever."""
        try:
            keys = tuple(signers(self.seal, told.endpoint, told.of_workspace))
            message = Message(message_id(delivery.id), self._body(delivery, told, failures))
            headers = message.headers(keys, time.time())
        except GeneQueueError as error:
            return Attempt(Answer(None), timedelta(), str(error))
        except Exception as error:  # the attempt's edge: the next ones may be able to
            log.error("webhook.not_written", delivery=str(delivery.id), exc_info=error)
            return Attempt(Answer(None), timedelta(), _UNMADE.format(type(error).__name__))
        if not keys:
            return Attempt(Answer(None), timedelta(), _UNSIGNED)
        return await self.sender.send(told.endpoint.url, headers, message.body)

    def _body(self, delivery: WebhookDelivery, told: Told, failures: Sequence[Failure]) -> bytes:
        if told.event is None or told.job is None:
            return ping_payload(delivery.created_at, str(told.endpoint.id))
        return event_payload(told.event, told.job, failures, self.links)


def _tell(delivery: WebhookDelivery, told: Told, attempt: Attempt, decision: Decision) -> None:
    metrics.WEBHOOK_ATTEMPTS.labels(decision.verdict).inc()
    if told.event is not None and delivery.attempts == 1 and attempt.answer.status is not None:
        waited = datetime.now(UTC) - told.event.created_at
        metrics.WEBHOOK_ANSWER.observe(max(0.0, waited.total_seconds()))
    log.info(
        "webhook.attempted",
        delivery=str(delivery.id),
        endpoint=str(delivery.endpoint_id),
        job=str(delivery.job_id) if delivery.job_id else None,
        request_id=told.job.request_id if told.job else None,
        kind=delivery.kind,
        attempt=delivery.attempts,
        status=attempt.answer.status,
        error=attempt.error,
        milliseconds=round(1_000 * attempt.took.total_seconds()),
        verdict=str(decision.verdict),
    )
