"""What came of an attempt, written to the rows: the attempt, the delivery's next state, the endpoint's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

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
class Settler:
    """Settles one delivery that was taken; nothing changes where somebody else has taken it over since."""

    database: AsyncEngine
    delivery: WebhookDelivery

    async def end(self, state: DeliveryState) -> None:
        """Without another attempt. Raises DatabaseUnavailable."""
        held = (self.delivery.id, self.delivery.attempts)
        async with async_transaction(self.database) as session:
            await session.execute(statements.finish(*held, state, self.delivery.last_status))

    async def write_down(self, began: datetime, attempt: Attempt, decision: Decision) -> None:
        """All of it, or nothing: then it is sent again. Raises DatabaseUnavailable."""
        values = {
            "delivery_id": self.delivery.id,
            "number": self.delivery.attempts,
            "began_at": began,
            "milliseconds": round(1_000 * attempt.took.total_seconds()),
            "status": attempt.answer.status,
            "error": attempt.error,
            "answer": attempt.excerpt,
        }
        async with async_transaction(self.database) as session:
            await session.execute(statements.save_attempt(values))
            # The endpoint first, then its deliveries, as everybody who locks both.
            over = await self._note(session, decision.verdict)
            await self._settle(session, attempt.answer.status, decision)
            if over is not None:
                await self._disable(session, over)

    async def _note(self, session: AsyncSession, verdict: Verdict) -> Disabled | None:
        """What an answer says about the endpoint, and for what it is to be disabled."""
        endpoint_id = self.delivery.endpoint_id
        if verdict is Verdict.DELIVERED:
            await session.execute(statements.forget_failures(endpoint_id))
            return None
        for_so_long = (await session.scalars(statements.note_failure(endpoint_id))).one()
        if verdict is Verdict.GONE:
            return Disabled.GONE
        return Disabled.FAILING if for_so_long else None

    async def _settle(self, session: AsyncSession, status: int | None, decision: Decision) -> None:
        held = (self.delivery.id, self.delivery.attempts)
        match decision.verdict:
            case Verdict.DELIVERED:
                await session.execute(statements.finish(*held, DeliveryState.DELIVERED, status))
            case Verdict.AGAIN:
                await session.execute(statements.try_again(*held, decision.wait, status))
            case Verdict.FAILED | Verdict.GONE:
                await session.execute(statements.finish(*held, DeliveryState.FAILED, status))

    async def _disable(self, session: AsyncSession, reason: Disabled) -> None:
        statement = statements.disable(self.delivery.endpoint_id, reason)
        endpoint = (await session.scalars(statement)).one_or_none()
        if endpoint is None:
            return
        await session.execute(statements.fail_what_waits(endpoint.id))
        data = {"endpoint_id": str(endpoint.id), "url": endpoint.url, "because": str(reason)}
        notice = statements.save_notice(endpoint.workspace_id, "webhook.endpoint_disabled", data)
        await session.execute(notice)
        metrics.ENDPOINTS_DISABLED.labels(reason).inc()
        log.warning("webhook.endpoint_disabled", endpoint=str(endpoint.id), because=str(reason))
