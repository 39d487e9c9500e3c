"""What a route may ask for, as typed aliases.

The session door is here: commit, then the wake-ups, then the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Annotated, cast
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from api.auth import Doorkeeper
from api.services.admission import Gate
from api.services.catalog import LiveCatalog
from api.services.destinations import Destinations
from api.services.respite import Respite
from api.services.uploads import Uploads
from api.services.watch import JobWatch
from shared import links
from shared.catalog import Catalog, Model, Offer
from shared.database.engines import async_transaction
from shared.links import LinkSigner
from shared.messages import Message
from shared.ontology.terms import Ontologies
from shared.settings import ApiSettings
from shared.storage.port import Storage
from shared.webhooks.sealing import Seal


@dataclass(frozen=True)
class Plugs:
    """What the process is plugged into; made once by the composition root."""

    settings: ApiSettings
    engine: AsyncEngine
    storage: Storage
    models: LiveCatalog
    watch: JobWatch
    gate: Gate
    ontologies: Ontologies
    ask: Callable[[Message], None]  # has a message sent soon
    doorkeeper: Doorkeeper
    links: LinkSigner
    uploads: Uploads
    destinations: Destinations
    seal: Seal
    # Large queries that are read at once: each takes a thread, and most of a core.
    reading: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))

    @property
    def catalog(self) -> Catalog:
        """What can be asked now: a snapshot, which no later change touches."""
        return self.models.current


@dataclass(frozen=True, slots=True)
class UnitOfWork:
    """One transaction, and the messages that leave once it is committed."""

    session: AsyncSession
    _messages: list[Message] = field(default_factory=list)

    def after_commit(self, message: Message) -> None:
        """Have a message sent if, and only if, the transaction commits."""
        self._messages.append(message)


def plugs_of(request: Request) -> Plugs:
    """The plugs of the app that got the request."""
    return cast(Plugs, request.app.state.plugs)


# What FastAPI calls is a coroutine: it calls a plain function in a thread, dearer than all of these. And what
# one of them needs of another it takes by itself: FastAPI would work out the whole tree at every request.
async def _plugs(request: Request) -> Plugs:
    return plugs_of(request)


PlugsOf = Annotated[Plugs, Depends(_plugs)]


async def _unit_of_work(plugs: PlugsOf) -> AsyncIterator[UnitOfWork]:
    async with async_transaction(plugs.engine) as session:
        unit = UnitOfWork(session)
        yield unit
    for message in unit._messages:
        plugs.ask(message)


# Declares the scheme to OpenAPI; what it finds is not used, since a missing key must be answered our way.
_documented = HTTPBearer(auto_error=False, scheme_name="API key", description="`Authorization: Bearer <key>`")


async def _workspace(request: Request, _: Annotated[object, Depends(_documented)]) -> int:
    return await plugs_of(request).doorkeeper.workspace(request.headers.get("authorization"))


async def _offer(model_id: str, request: Request, _: Annotated[int, Depends(_workspace)]) -> Offer:
    return await plugs_of(request).models.offer(model_id)


async def _model(offer: Annotated[Offer, Depends(_offer)]) -> Model:
    return offer.model


async def _base_url(request: Request) -> str:
    return _reached_at(request)


def _reached_at(request: Request) -> str:
    return (plugs_of(request).settings.public_url or str(request.base_url)).rstrip("/")


def report_url(report_id: UUID, request: Request) -> str:
    """A fresh link to all that is wrong with the rows of a large query."""
    plugs = plugs_of(request)
    path = plugs.links.path(links.report(report_id), plugs.settings.report_lifetime)
    return _reached_at(request) + path


async def _respite(request: Request) -> Respite:
    return cast(Respite, request.state.respite)


# The scope "function" ends the transaction before the answer leaves: a 202 is never sent for a job that was
# not saved, and a download holds no connection.
Work = Annotated[UnitOfWork, Depends(_unit_of_work, scope="function")]
WorkspaceId = Annotated[int, Depends(_workspace)]
OfferOf = Annotated[Offer, Depends(_offer)]
ModelOf = Annotated[Model, Depends(_model)]
BaseUrl = Annotated[str, Depends(_base_url)]
RespiteOf = Annotated[Respite, Depends(_respite)]
