"""Taking a query in: the same one again, one for which there is no room, or a new job."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from starlette.concurrency import run_in_threadpool

from api.dependencies import Plugs
from api.schemas.wishes import Wishes
from api.services import idempotency
from api.services.idempotency import SubmitKey
from api.services.named_webhook import check_webhook, with_webhook
from api.services.respite import Respite
from api.services.retry import Failed, inherited, spec_of
from api.services.submit import PreparedJob, SubmitPolicy, prepare_job, save_prepared, store_objects
from api.services.understand import understand, understood
from shared.catalog import Offer
from shared.database.engines import async_transaction
from shared.database.queries.jobs import job_by_id
from shared.errors import DatabaseUnavailable, OutcomeUnknown
from shared.messages import WAKE_GENERATION

_UNKNOWN = (
    "The database went away while the query was being saved, and did not come back in time. Send it again "
    "if it came with an Idempotency-Key, which is saved once; else look at GET /api/model-queries first."
)


@dataclass(frozen=True, slots=True)
class Received:
    """The job that a query became, now or, where `replayed`, when it was sent before."""

    job_id: UUID
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Submit:
    """One query on its way in: who sends it, to what, with which wishes; `respite` while Postgres is away."""

    plugs: Plugs
    offer: Offer
    workspace_id: int
    wishes: Wishes
    respite: Respite

    async def receive(self, query: object) -> Received:
        """Save the query, unless its key says that it was saved before.

        Checking a large query and storing its counts take long, so no connection is held meanwhile. Raises
        QueryRejected, IdempotencyKeyInUse, IdempotencyKeyReused, WorkspaceFull, ServiceFull, Unavailable.
        """
        key = await self._key(query)
        if key and (earlier := await self.respite.ride_out(lambda _: self._earlier(key))):
            return Received(earlier, replayed=True)
        offer = await self.respite.ride_out(lambda _: self.plugs.models.pinned(self.offer, query))
        job = await run_in_threadpool(self._prepare, query, offer)
        await check_webhook(job.webhook_url, self.plugs.destinations)
        return await self._save_once(job, key)

    async def retry(self, failed: Failed) -> Received:
        """Save a query for the failed inputs of another one, as its child.

        Raises InputDamaged, WorkspaceFull, ServiceFull, Unavailable.
        """
        return await self._save_once(await run_in_threadpool(self._prepare_again, failed), None)

    async def _key(self, query: object) -> SubmitKey | None:
        if self.wishes.key is None:
            return None
        digest = await run_in_threadpool(idempotency.digest_of_query, self.offer.public_id, query)
        return SubmitKey(self.workspace_id, self.wishes.key, digest)

    async def _earlier(self, key: SubmitKey) -> UUID | None:
        async with async_transaction(self.plugs.engine) as session:
            return await idempotency.earlier_job(session, key)

    async def _save_once(self, job: PreparedJob, key: SubmitKey | None) -> Received:
        """Commit, then ask for a wake-up. A commit of unknown outcome is looked for, by the job's id."""
        try:
            received = await self.respite.ride_out(lambda again: self._save(job, key, again=again))
        except DatabaseUnavailable as error:
            raise OutcomeUnknown(_UNKNOWN) from error
        if not received.replayed:
            self.plugs.ask(WAKE_GENERATION)
        return received

    async def _save(self, job: PreparedJob, key: SubmitKey | None, *, again: bool) -> Received:
        async with async_transaction(self.plugs.engine) as session:
            if again and (await session.scalars(job_by_id(job.id))).one_or_none() is not None:
                return Received(job.id)
            earlier = await idempotency.take(session, key) if key else None
            if earlier is not None:
                return Received(earlier, replayed=True)
            await self.plugs.gate.admit(session, self.workspace_id, job.values["samples_total"])
            job = await with_webhook(session, job, self.plugs.seal)
            if await save_prepared(session, job) and key:
                await idempotency.remember(session, key, job.id)
        return Received(job.id)

    def _prepare(self, query: object, offer: Offer) -> PreparedJob:
        meant = understand(query, offer.rules, self.plugs.ontologies)
        return self._stored(prepare_job(meant, offer.model, self.workspace_id, self._policy))

    def _prepare_again(self, failed: Failed) -> PreparedJob:
        offer, plugs = self.offer, self.plugs
        spec = spec_of(failed, plugs.storage, len(offer.model.genes))
        meant = understood(spec, offer.rules, plugs.ontologies)
        job = prepare_job(meant, offer.model, self.workspace_id, self._policy)
        return self._stored(replace(job, values={**job.values, **inherited(failed.job)}))

    def _stored(self, job: PreparedJob) -> PreparedJob:
        """The job, its counts in the storage. Those of one that is not saved after all are swept later."""
        store_objects(self.plugs.storage, job)
        return job

    @property
    def _policy(self) -> SubmitPolicy:
        settings = self.plugs.settings
        return SubmitPolicy(
            settings.result_lifetime,
            settings.samples_per_chunk,
            settings.interactive_samples,
            self.wishes.cancel_after,
        )
