"""The secrets that webhooks are signed with: sealed in their rows, open only in the answer to their owner."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from shared.database.queries import endpoints
from shared.database.tables import WebhookSecret
from shared.errors import SealBroken
from shared.webhooks.keys import Secret
from shared.webhooks.sealing import Seal


async def workspace_secret(session: AsyncSession, workspace_id: int, seal: Seal) -> WebhookSecret:
    """What a workspace signs with where a query names a URL; made when it is needed first."""
    wanted = endpoints.secret_of_workspace(workspace_id)
    found = (await session.scalars(wanted)).one_or_none()
    if found is None:
        await session.execute(endpoints.save_first_secret(workspace_id, seal.close(Secret.new())))
        # Where somebody else was first, their secret holds.
        found = (await session.scalars(wanted)).one()
    return found


async def rotate_workspace_secret(session: AsyncSession, workspace_id: int, seal: Seal) -> WebhookSecret:
    """A new secret of the workspace; the one before signs, too, for a day."""
    before = await workspace_secret(session, workspace_id, seal)
    statement = endpoints.rotate_workspace(
        workspace_id, seal.close(Secret.new()), still_readable(before.secret, seal)
    )
    return (await session.scalars(statement)).one()


def still_readable(sealed: str | None, seal: Seal) -> str | None:
    """A sealed secret, unless this service cannot open it any more: then nothing could be signed with it."""
    try:
        return sealed if sealed and seal.open(sealed) else None
    except SealBroken:
        return None
