"""A query that is sent again under its key is the same query: one job, the same answer. Knows no HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from shared.database.queries.idempotency import hold_key, kept_key, save_key
from shared.errors import IdempotencyKeyInUse, IdempotencyKeyReused
from shared.sheets.asked import OF_ROWS


@dataclass(frozen=True, slots=True)
class SubmitKey:
    """The key of a workspace, and the digest of the query that came with it."""

    workspace_id: int
    key: str
    digest: str


def digest_of_query(public_id: str, query: Any) -> str:
    """SHA-256 in hex of a model's id and a parsed query, whatever the order of its keys. For a thread."""
    return sha256(public_id.encode() + b"\n" + orjson.dumps(query, option=orjson.OPT_SORT_KEYS)).hexdigest()


def digest_of_content(public_id: str, query: Mapping[str, Any], stored: Sequence[str]) -> str:
    """SHA-256 in hex of all that a query asks for but its seed. For a thread.

    `stored` are the digests of the inputs of a large one, whatever form they came in.
    """
    apart = {"seed", *(OF_ROWS if stored else ())}
    options = {name: value for name, value in query.items() if name not in apart}
    return digest_of_query(public_id, [options, *stored])


async def earlier_job(session: AsyncSession, key: SubmitKey) -> UUID | None:
    """The job that the same query got under this key. Raises IdempotencyKeyReused for another query."""
    used = (await session.scalars(kept_key(key.workspace_id, key.key))).one_or_none()
    if used is None:
        return None
    if used.body_digest != key.digest:
        raise IdempotencyKeyReused(
            f"The Idempotency-Key {key.key!r} came with another query before (it is query {used.job_id}). "
            "Send each new query with a new key."
        )
    return used.job_id


async def take(session: AsyncSession, key: SubmitKey) -> UUID | None:
    """Keep everybody else from the key until the transaction ends; the job, if there is one already.

    Raises IdempotencyKeyInUse while another transaction has it, and IdempotencyKeyReused.
    """
    if not await session.scalar(hold_key(key.workspace_id, key.key)):
        raise IdempotencyKeyInUse(
            f"The first query with the Idempotency-Key {key.key!r} is being saved. Send it again in a second."
        )
    return await earlier_job(session, key)


async def remember(session: AsyncSession, key: SubmitKey, job_id: UUID) -> None:
    """The key stands for this job from now on."""
    await session.execute(save_key(key.workspace_id, key.key, key.digest, job_id))
