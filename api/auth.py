"""Who is asking: from a Bearer key to the workspace that it opens. Keeps digests, never a plain key."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database.engines import async_reading, async_transaction
from shared.database.keys import digest_of
from shared.database.queries.keys import DEFAULT_WORKSPACE, ensure_workspace, workspace_of_key
from shared.errors import KeyRejected

_REMEDY = (
    "Send the header `Authorization: Bearer <key>` (clients: set SYNTHESIZE_API_KEY). "
    "The operator of this server makes a key with `genequeue keys create --name <name>`."
)


@dataclass(slots=True)
class Doorkeeper:
    """Finds the workspace of each request; with `open_door`, everybody is in the default one.

    A key is looked up at every request, so that a revoked one stops working at once.
    """

    engine: AsyncEngine
    open_door: bool = False
    _default: int | None = field(default=None, init=False)

    async def workspace(self, authorization: str | None) -> int:
        """The id of the workspace. Raises KeyRejected and DatabaseUnavailable."""
        if self.open_door:
            return await self._default_workspace()
        digest = digest_of(_bearer(authorization))
        async with async_reading(self.engine) as connection:
            workspace: int | None = await connection.scalar(*workspace_of_key(digest))
        if workspace is None:
            raise KeyRejected(f"This API key is not known here, or it was revoked. {_REMEDY}")
        return workspace

    async def _default_workspace(self) -> int:
        if self._default is None:
            async with async_transaction(self.engine) as session:
                self._default = (await session.execute(ensure_workspace(DEFAULT_WORKSPACE))).scalar_one()
        return self._default


def _bearer(authorization: str | None) -> str:
    if not authorization:
        raise KeyRejected(f"This request carries no API key. {_REMEDY}")
    scheme, _, key = authorization.partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise KeyRejected(f"The Authorization header holds no Bearer key. {_REMEDY}")
    return key.strip()
