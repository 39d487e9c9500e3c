"""Taking a query in: the same one again, one for which there is no room, or a new job."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from starlette.concurrency import run_in_threadpool

from api.dependencies import Plugs, UnitOfWork
from api.schemas.wishes import Wishes
from api.services import idempotency
from api.services.idempotency import SubmitKey
from api.services.retry import Failed, spec_of
from api.services.submit import PreparedJob, SubmitPolicy, prepare_job, save_prepared, store_objects
from api.services.understand import understand, understood
from shared.catalog import Offer
from shared.database.engines import async_transaction
from shared.messages import WAKE_GENERATION


@dataclass(frozen=True, slots=True)
class Received:
    """The job that a query became, now or, where `replayed`, when it was sent before."""

    job_id: UUID
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Submit:
    """One query on its way in: who sends it, to what, with which wishes."""

    plugs: Plugs
    offer: Offer
    workspace_id: int
    wishes: Wishes

    async def receive(self, query: object, work: UnitOfWork) -> Received:
        """Save the query, unless its key says that it was saved before.

        Checking a large query and storing its counts take long, so no connection is held meanwhile. Raises
        QueryRejected, IdempotencyKeyInUse, IdempotencyKeyReused, WorkspaceFull, ServiceFull, Unavailable.
        """
        key = await self._key(query)
        earlier = await self._earlier(key) if key else None
        if earlier is None:
            offer = await self.plugs.models.pinned(self.offer, query)
            job = await run_in_threadpool(self._prepare, query, offer)
            earlier = await idempotency.take(work.session, key) if key else None
        if earlier is not None:
            return Received(earlier, replayed=True)
        received = await self._save(job, work)
        if key:
            await idempotency.remember(work.session, key, job.id)
        return received

    async def retry(self, failed: Failed, work: UnitOfWork) -> Received:
        """Save a query for the failed inputs of another one, as its child.

        Raises InputDamaged, WorkspaceFull, ServiceFull, Unavailable.
        """
        job = await run_in_threadpool(self._prepare_again, failed)
        return await self._save(job, work)

    async def _key(self, query: object) -> SubmitKey | None:
        if self.wishes.key is None:
            return None
        digest = await run_in_threadpool(idempotency.digest_of_query, self.offer.public_id, query)
        return SubmitKey(self.workspace_id, self.wishes.key, digest)

    async def _earlier(self, key: SubmitKey) -> UUID | None:
        async with async_transaction(self.plugs.engine) as session:
            return await idempotency.earlier_job(session, key)

    async def _save(self, job: PreparedJob, work: UnitOfWork) -> Received:
        await self.plugs.gate.admit(work.session, self.workspace_id, job.values["samples_total"])
        await save_prepared(work.session, job)
        work.after_commit(WAKE_GENERATION)
        return Received(job.id)

    def _prepare(self, query: object, offer: Offer) -> PreparedJob:
        meant = understand(query, offer.rules, self.plugs.ontologies)
        return self._stored(prepare_job(meant, offer.model, self.workspace_id, self._policy))

    def _prepare_again(self, failed: Failed) -> PreparedJob:
        offer, plugs = self.offer, self.plugs
        spec = spec_of(failed, plugs.storage, len(offer.model.genes))
        meant = understood(spec, offer.rules, plugs.ontologies)
        job = prepare_job(meant, offer.model, self.workspace_id, self._policy)
        return self._stored(replace(job, values={**job.values, "parent_id": failed.job.id}))

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
