"""One delivery, from its row to the receiver and back to its row."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from shared.database.engines import async_transaction
from shared.database.queries import deliveries as statements
from shared.database.tables import Event, Job, WebhookDelivery, WebhookEndpoint, WebhookSecret
from shared.errors import GeneQueueError
from shared.jobs.events import EventKind
from shared.jobs.states import FINAL_JOB_STATES
from shared.webhooks.schedule import Answer, Decision, Verdict, decide
from shared.webhooks.sealing import Seal
from shared.webhooks.signatures import Message, message_id
from shared.webhooks.states import DeliveryState, Disabled
from worker.webhooks.payload import Links, event_payload, ping_payload
from worker.webhooks.sending import Attempt, Sender
from worker.webhooks.signing import signers

log = structlog.get_logger()

_PINGS = 1  # it asks whether an endpoint answers now
_UNSIGNED = "There is no secret to sign it with, and nothing is sent unsigned. Rotate the secret."


@dataclass(frozen=True, slots=True)
class Told:
    """What a delivery is about, read in one go."""

    endpoint: WebhookEndpoint
    of_workspace: WebhookSecret | None
    job: Job | None
    event: Event | None

    @property
    def is_stale(self) -> bool:
        """Whether it is about progress of a job that has come further."""
        if self.job is None or self.event is None or self.event.kind != EventKind.PROGRESS:
            return False
        return self.job.state in FINAL_JOB_STATES or self.job.events > self.event.number


@dataclass(frozen=True, slots=True)
class Courier:
    """Brings deliveries to their endpoints."""

    database: AsyncEngine
    sender: Sender
    seal: Seal
    links: Links

    async def deliver(self, delivery: WebhookDelivery) -> None:
        """Try a delivery that was taken, and write down what came of it. Raises DatabaseUnavailable."""
        async with async_transaction(self.database) as session:
            told = Told(*(await session.execute(statements.what_is_told(delivery.id))).one())
        tries = delivery.attempts - delivery.forgiven
        if tries > 1 and told.is_stale:
            await self._end(delivery, DeliveryState.SUPERSEDED)
            return
        began = datetime.now(UTC)
        attempt = await self._try(delivery, told)
        most = told.endpoint.max_attempts if told.event else _PINGS
        decision = decide(attempt.answer, tries, most, random.random())
        await self._write_down(delivery, began, attempt, decision)
        _tell(delivery, told, attempt, decision)

    async def _try(self, delivery: WebhookDelivery, told: Told) -> Attempt:
        try:
            keys = tuple(signers(self.seal, told.endpoint, told.of_workspace))
        except GeneQueueError as error:
            return Attempt(Answer(None), timedelta(), str(error))
        if not keys:
            return Attempt(Answer(None), timedelta(), _UNSIGNED)
        message = Message(message_id(delivery.id), self._body(delivery, told))
        return await self.sender.send(told.endpoint.url, message.headers(keys, time.time()), message.body)

    def _body(self, delivery: WebhookDelivery, told: Told) -> bytes:
        if told.event is None or told.job is None:
            return ping_payload(delivery.created_at, str(told.endpoint.id))
        return event_payload(told.event, told.job, self.links)

    async def _end(self, delivery: WebhookDelivery, state: DeliveryState) -> None:
        async with async_transaction(self.database) as session:
            await session.execute(
                statements.finish(delivery.id, delivery.attempts, state, delivery.last_status)
            )

    async def _write_down(
        self, delivery: WebhookDelivery, began: datetime, attempt: Attempt, decision: Decision
    ) -> None:
        async with async_transaction(self.database) as session:
            await session.execute(
                statements.save_attempt(
                    {
                        "delivery_id": delivery.id,
                        "number": delivery.attempts,
                        "began_at": began,
                        "milliseconds": round(1_000 * attempt.took.total_seconds()),
                        "status": attempt.answer.status,
                        "error": attempt.error,
                        "answer": attempt.excerpt,
                    }
                )
            )
            await _settle(session, delivery, attempt.answer.status, decision)


async def _settle(
    session: AsyncSession, delivery: WebhookDelivery, status: int | None, decision: Decision
) -> None:
    """The delivery's next state, and the endpoint's."""
    held = (delivery.id, delivery.attempts)
    match decision.verdict:
        case Verdict.DELIVERED:
            await session.execute(statements.finish(*held, DeliveryState.DELIVERED, status))
            await session.execute(statements.forget_failures(delivery.endpoint_id))
            return
        case Verdict.AGAIN:
            await session.execute(statements.try_again(*held, decision.wait, status))
        case Verdict.FAILED | Verdict.GONE:
            await session.execute(statements.finish(*held, DeliveryState.FAILED, status))
    for_so_long = (await session.scalars(statements.note_failure(delivery.endpoint_id))).one()
    if decision.verdict is Verdict.GONE:
        await _disable(session, delivery, Disabled.GONE)
    elif for_so_long:
        await _disable(session, delivery, Disabled.FAILING)


async def _disable(session: AsyncSession, delivery: WebhookDelivery, reason: Disabled) -> None:
    endpoint = (await session.scalars(statements.disable(delivery.endpoint_id, reason))).one_or_none()
    if endpoint is None:
        return
    await session.execute(statements.fail_what_waits(endpoint.id))
    data = {"endpoint_id": str(endpoint.id), "url": endpoint.url, "because": str(reason)}
    await session.execute(statements.save_notice(endpoint.workspace_id, "webhook.endpoint_disabled", data))
    log.warning("webhook.endpoint_disabled", endpoint=str(endpoint.id), because=str(reason))


def _tell(delivery: WebhookDelivery, told: Told, attempt: Attempt, decision: Decision) -> None:
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
