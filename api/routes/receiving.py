"""Taking a query in: the same one again, one for which there is no room, or a new job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

from starlette.concurrency import run_in_threadpool

from api.dependencies import Plugs
from api.routes.sending import Sent
from api.schemas.wishes import Wishes
from api.services import idempotency
from api.services.idempotency import SubmitKey
from api.services.named_webhook import check_webhook, with_webhook
from api.services.reproduce import Original, prepare_again
from api.services.respite import Respite
from api.services.retry import Failed, inherited, spec_of
from api.services.submit import PreparedJob, SubmitPolicy, prepare_job, save_prepared, store_objects
from api.services.understand import Desk, Understood, stored_digests, understand, understood
from shared.catalog import Offer
from shared.database.engines import async_transaction
from shared.database.queries.jobs import job_by_id
from shared.errors import DatabaseUnavailable, OutcomeUnknown
from shared.messages import WAKE_GENERATION
from shared.queries.rules import ModelRules

_UNKNOWN = (
    "The database went away while the query was being saved, and did not come back in time. Send it again "
    "if it came with an Idempotency-Key, which is saved once; else look at GET /api/model-queries first."
)


@dataclass(frozen=True, slots=True)
class Received:
    """The job that a query became, now or, where `replayed`, when it was sent before.

    `rejected` says which rows of a large query were left out, as the job's row does.
    """

    job_id: UUID
    replayed: bool = False
    rejected: Mapping[str, Any] | None = None


def rules_of(offer: Offer, plugs: Plugs) -> ModelRules:
    """What a query is checked against: the rules of the model, and the limits of this server."""
    settings, rules = plugs.settings, offer.rules
    return replace(
        rules, limits=replace(rules.limits, samples=settings.max_samples, inputs=settings.max_inputs)
    )


def meaning_of(sent: Sent, offer: Offer, plugs: Plugs, job_id: UUID) -> Understood:
    """What was sent, checked; the inputs of a large query are stored under the id. Blocks: for a thread.

    Raises QueryRejected, InvalidInput, BodyTooLarge, StorageUnavailable.
    """
    rules = rules_of(offer, plugs)
    if not sent.large:
        return understand(sent.query, rules, plugs.ontologies)
    desk = Desk(rules, plugs.ontologies, plugs.storage, plugs.settings.max_upload_bytes)
    return desk.take_in(sent.query, sent.file, job_id)


@dataclass(frozen=True, slots=True)
class Submit:
    """One query on its way in: who sends it, to what, with which wishes; `respite` while Postgres is away."""

    plugs: Plugs
    offer: Offer
    workspace_id: int
    wishes: Wishes
    respite: Respite

    async def receive(self, sent: Sent) -> Received:
        """Save the query, unless its key says that it was saved before.

        Checking a large query and storing its inputs take long, so no connection is held meanwhile. Raises
        QueryRejected, IdempotencyKeyInUse, IdempotencyKeyReused, WorkspaceFull, ServiceFull, Unavailable.
        """
        key = await self._key(sent)
        if key and (earlier := await self.respite.ride_out(lambda _: self._earlier(key))):
            return earlier
        offer = await self.respite.ride_out(lambda _: self.plugs.models.pinned(self.offer, sent.query))
        job = await self._turn(sent, offer)
        await check_webhook(job.webhook_url, self.plugs.destinations)
        return replace(await self._save_once(job, key), rejected=job.values.get("rejected"))

    async def retry(self, failed: Failed) -> Received:
        """Save a query for the failed inputs of another one, as its child.

        Raises InputDamaged, WorkspaceFull, ServiceFull, Unavailable.
        """
        return await self._save_once(await run_in_threadpool(self._prepare_again, failed), None)

    async def reproduce(self, original: Original) -> Received:
        """Save a query that is what another one was, to see whether it is answered alike.

        Raises InputDamaged, WorkspaceFull, ServiceFull, Unavailable.
        """
        job = await run_in_threadpool(self._copy, original)
        values = {**job.values, "reproduces_id": original.job.id}
        return await self._save_once(replace(job, values=values), None)

    async def _key(self, sent: Sent) -> SubmitKey | None:
        if self.wishes.key is None:
            return None
        digest = await run_in_threadpool(idempotency.digest_of_query, self.offer.public_id, sent.asked)
        return SubmitKey(self.workspace_id, self.wishes.key, digest)

    async def _earlier(self, key: SubmitKey) -> Received | None:
        async with async_transaction(self.plugs.engine) as session:
            job_id = await idempotency.earlier_job(session, key)
            if job_id is None:
                return None
            job = (await session.scalars(job_by_id(job_id))).one_or_none()
        return Received(job_id, replayed=True, rejected=job.rejected if job else None)

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

    async def _turn(self, sent: Sent, offer: Offer) -> PreparedJob:
        """Large queries are read by few at a time, so that threads are left for everybody else."""
        if not sent.large:
            return await run_in_threadpool(self._prepare, sent, offer)
        async with self.plugs.reading:
            return await run_in_threadpool(self._prepare, sent, offer)

    def _prepare(self, sent: Sent, offer: Offer) -> PreparedJob:
        job_id = uuid4()
        meant = meaning_of(sent, offer, self.plugs, job_id)
        job = prepare_job(meant, offer.model, self.workspace_id, self._policy, job_id)
        digest = idempotency.digest_of_content(offer.public_id, sent.query, stored_digests(meant))
        return self._stored(replace(job, values={**job.values, "query_digest": digest}))

    def _copy(self, original: Original) -> PreparedJob:
        return prepare_again(original, self.plugs.storage, self._policy.result_lifetime)

    def _prepare_again(self, failed: Failed) -> PreparedJob:
        if failed.whole is not None:
            job = self._copy(failed.whole)
            return replace(job, values={**job.values, **inherited(failed.job)})
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
