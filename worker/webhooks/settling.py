"""What came of attempts, written to the rows: the attempts, the deliveries' next state, the endpoints'."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from shared import metrics
from shared.database.engines import async_transaction
from shared.database.queries import deliveries as statements
from shared.database.tables import WebhookDelivery
from shared.webhooks.schedule import Decision, Verdict
from shared.webhooks.states import DeliveryState, Disabled
from worker.webhooks.sending import Attempt

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Outcome:
    """An attempt at a delivery that was taken, and what it means."""

    delivery: WebhookDelivery
    began: datetime
    attempt: Attempt
    decision: Decision

    @property
    def row(self) -> dict[str, Any]:
        """The attempt as it is kept."""
        return {
            "delivery_id": self.delivery.id,
            "number": self.delivery.attempts,
            "began_at": self.began,
            "milliseconds": round(1_000 * self.attempt.took.total_seconds()),
            "status": self.attempt.answer.status,
            "error": self.attempt.error,
            "answer": self.attempt.excerpt,
        }


@dataclass(frozen=True, slots=True)
class Settler:
    """Settles deliveries; nothing changes where somebody else has taken one over since.

    What arrives while a transaction is written shares the next one.
    """

    database: AsyncEngine
    _arrived: list[Outcome] = field(default_factory=list)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def end(self, delivery: WebhookDelivery, state: DeliveryState) -> None:
        """Without another attempt. Raises DatabaseUnavailable."""
        held = (delivery.id, delivery.attempts)
        async with async_transaction(self.database) as session:
            await session.execute(statements.finish(*held, state, delivery.last_status))

    async def write_down(self, outcome: Outcome) -> None:
        """All of it, or nothing: then it is sent again. Raises DatabaseUnavailable."""
        if outcome.decision.verdict is not Verdict.DELIVERED:
            await self._write_failure(outcome)
            return
        self._arrived.append(outcome)
        async with self._turn:
            together = self._arrived[:]
            self._arrived.clear()
            if together:
                await self._write_delivered(together)

    async def _write_delivered(self, outcomes: Sequence[Outcome]) -> None:
        settled = [(one.delivery.id, one.delivery.attempts, one.attempt.answer.status) for one in outcomes]
        async with async_transaction(self.database) as session:
            # Endpoints first, then their deliveries, as everybody who locks both.
            held = await session.execute(
                statements.hold_endpoints({one.delivery.endpoint_id for one in outcomes})
            )
            if failing := [row.id for row in held if row.failing_since is not None]:
                await session.execute(statements.forget_failures(failing))
            await session.execute(statements.save_attempts(), [one.row for one in outcomes])
            await session.execute(statements.deliver(settled))

    async def _write_failure(self, outcome: Outcome) -> None:
        delivery, decision = outcome.delivery, outcome.decision
        held = (delivery.id, delivery.attempts)
        status = outcome.attempt.answer.status
        async with async_transaction(self.database) as session:
            noted = statements.note_failure(delivery.endpoint_id, decision.rest)
            for_so_long = (await session.scalars(noted)).one()
            await session.execute(statements.save_attempts(), [outcome.row])
            if decision.verdict is Verdict.AGAIN:
                await session.execute(statements.try_again(*held, decision.wait, status))
            else:
                await session.execute(statements.finish(*held, DeliveryState.FAILED, status))
            if decision.verdict is Verdict.GONE:
                await self._disable(session, delivery, Disabled.GONE)
            elif for_so_long:
                await self._disable(session, delivery, Disabled.FAILING)

    async def _disable(self, session: AsyncSession, delivery: WebhookDelivery, reason: Disabled) -> None:
        statement = statements.disable(delivery.endpoint_id, reason)
        endpoint = (await session.scalars(statement)).one_or_none()
        if endpoint is None:
            return
        await session.execute(statements.fail_what_waits(endpoint.id))
        data = {"endpoint_id": str(endpoint.id), "url": endpoint.url, "because": str(reason)}
        notice = statements.save_notice(endpoint.workspace_id, "webhook.endpoint_disabled", data)
        await session.execute(notice)
        metrics.ENDPOINTS_DISABLED.labels(reason).inc()
        log.warning("webhook.endpoint_disabled", endpoint=str(endpoint.id), because=str(reason))
