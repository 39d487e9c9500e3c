"""The client that awaits: the same as the one that blocks, in nothing different but how it waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Self, TypeVar
from urllib.parse import quote
from uuid import uuid4

from genequeue.client import queries
from genequeue.client.async_result import AsyncResult
from genequeue.client.calls import Call, Json, Steps, ask, post_json, quiet
from genequeue.client.place import Place
from genequeue.client.players import AsyncPlayer
from genequeue.client.progress import showing
from genequeue.client.queries import Accepted, Attempt
from genequeue.client.submissions import Source, read_submission

_T = TypeVar("_T")


class AsyncClient:
    """`Client`, awaited: `async with AsyncClient() as client: ...`."""

    def __init__(self, url: str | None = None, key: str | None = None) -> None:
        self._place = Place.find(url, key)
        self._player = AsyncPlayer(self._place)

    @property
    def url(self) -> str:
        """Where the API is."""
        return self._place.url

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._player.close()

    async def submit(
        self, query: Source, model: str, *, progress: bool = False, **options: Any
    ) -> AsyncQuery:
        """As `Client.submit`."""
        what = await asyncio.to_thread(read_submission, query, model, options)
        with showing(progress) as tell:
            accepted = await self.play(queries.submit(what, model, Attempt(uuid4().hex), tell))
        return AsyncQuery(self, accepted)

    async def check(self, query: Source, model: str, **options: Any) -> Json:
        """As `Client.check`."""
        what = await asyncio.to_thread(read_submission, query, model, options)
        return await self.play(queries.check(what, model, quiet))

    def query(self, query_id: str) -> AsyncQuery:
        """A query that was submitted before."""
        return AsyncQuery(self, Accepted(query_id))

    async def models(self) -> list[Json]:
        """The models that can be asked."""
        return list((await self.get("/api/models"))["models"])

    async def example(self, model: str) -> Json:
        """A query that the model accepts as it stands."""
        return dict((await self.get(f"/api/models/{quote(model)}/example-query"))["example_query"])

    async def get(self, path: str, **parameters: Any) -> Any:
        """The JSON of any GET."""
        return await self.play(queries.get_json(path, **parameters))

    async def post(self, path: str, body: object) -> Any:
        """The JSON of any POST; sent once."""
        return (await self.play(ask(post_json(path, body, repeatable=False)))).json()

    async def delete(self, path: str) -> None:
        """Any DELETE."""
        await self.play(ask(Call("DELETE", path, repeatable=False)))

    async def play(self, steps: Steps[_T]) -> _T:
        """What steps come to, over this client's connections."""
        return await self._player.play(steps)


class AsyncQuery:
    """`Query`, awaited."""

    def __init__(self, client: AsyncClient, accepted: Accepted) -> None:
        self._client = client
        self.id = accepted.query_id
        self.rejected_rows, self.report = accepted.rejected_rows, accepted.report

    def __repr__(self) -> str:
        return f"AsyncQuery({self.id!r})"

    async def status(self) -> Json:
        """Everything about it, as it stands."""
        return await self._client.play(queries.state_of(self.id))

    async def watch(self, every: float = 0.25) -> AsyncIterator[Json]:
        """Its state, again and again, until it has ended."""
        while True:
            state = await self.status()
            yield state
            if state["status"] in queries.FINAL:
                return
            await asyncio.sleep(every)

    async def wait(self, progress: bool = True) -> Self:
        """Until it is ready. Raises QueryEnded if it ends without a result."""
        with showing(progress) as tell:
            await self._client.play(queries.wait(self.id, tell))
        return self

    async def result(self) -> AsyncResult:
        """Its result, once it is ready. Raises QueryEnded."""
        return AsyncResult(self._client, await self._client.play(queries.wait(self.id, quiet)))

    async def cancel(self) -> Json:
        """Stop it; what is finished of it is kept. Its state."""
        return await self._client.play(queries.act(self.id, "cancel", repeatable=True))

    async def retry_failed(self) -> AsyncQuery:
        """Send its failed inputs again, as a new query."""
        return await self._new("retry-failed")

    async def reproduce(self) -> AsyncQuery:
        """Run it again; the new one's `status()["reproduces"]` says whether every digest is the same."""
        return await self._new("reproduce")

    async def delete(self) -> None:
        """Remove its result and its inputs, for good."""
        await self._client.delete(queries.path_of(self.id))

    async def _new(self, action: str) -> AsyncQuery:
        return AsyncQuery(self._client, Accepted.read(await self._client.play(queries.act(self.id, action))))
