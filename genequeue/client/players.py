"""What plays the client's steps over real connections: one player blocks, the other one awaits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import httpx

from genequeue.client.calls import Answer, Call, Pause, Steps, Together
from genequeue.client.errors import NeverHeard, ServerAway
from genequeue.client.place import Place

_T = TypeVar("_T")
Wish = Call | Pause | Together
# Half a minute to be let in; an answer may take as long as the check of a million rows.
TIMEOUT = httpx.Timeout(30, read=600, write=120)


class _Requests:
    """How calls become requests of httpx, and its errors ours."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._heard = False

    def request(self, http: httpx.Client | httpx.AsyncClient, call: Call) -> httpx.Request:
        """The request of a call; only our own server is shown the key."""
        url, ours = self.place.reach(call.path)
        headers = {"Accept": "application/json", **call.headers}
        if ours and self.place.key:
            headers["Authorization"] = f"Bearer {self.place.key}"
        return http.build_request(
            call.method, url, params=call.params or None, content=call.content, headers=headers
        )

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Raises ServerAway where nobody answered, or not to the end."""
        try:
            yield
        except (httpx.TransportError, httpx.InvalidURL) as error:
            kind = ServerAway if self._heard else NeverHeard
            raise kind(
                f"{self.place.url} does not answer ({error or type(error).__name__}). Is `genequeue up` "
                "running, and is the URL right? Name another with --url or GENEQUEUE_URL."
            ) from error

    def heard(self) -> None:
        """Somebody answers there."""
        self._heard = True


class _Turn(Generic[_T]):
    """Steps on their way: what they wish for next, None once they have come to an outcome."""

    def __init__(self, steps: Steps[_T]) -> None:
        self._steps = steps
        self.send(None)

    def send(self, got: Any) -> None:
        """Give what was wished for."""
        self._go_on(lambda: self._steps.send(got))

    def throw(self, error: Exception) -> None:
        """Say what went wrong with it."""
        self._go_on(lambda: self._steps.throw(error))

    def _go_on(self, step: Callable[[], Wish]) -> None:
        try:
            self.wish: Wish | None = step()
        except StopIteration as end:
            self.wish = None
            self.outcome: _T = end.value


class Player:
    """Plays steps, and waits for each answer."""

    def __init__(self, place: Place) -> None:
        self._http = httpx.Client(timeout=TIMEOUT, limits=httpx.Limits(max_connections=32))
        self._requests = _Requests(place)

    def play(self, steps: Steps[_T]) -> _T:
        """What the steps come to. Raises what they raise."""
        turn = _Turn(steps)
        while (wish := turn.wish) is not None:
            try:
                turn.send(self._fulfil(wish))
            except ServerAway as away:
                turn.throw(away)
        return turn.outcome

    @contextmanager
    def stream(self, call: Call) -> Iterator[httpx.Response]:
        """A long answer, read as it comes, good or not."""
        with self._requests.errors():
            response = self._http.send(self._requests.request(self._http, call), stream=True)
            self._requests.heard()
            try:
                yield response
            finally:
                response.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _fulfil(self, wish: Wish) -> Any:
        match wish:
            case Pause(seconds):
                return time.sleep(seconds)
            case Together(several, at_once):
                with ThreadPoolExecutor(at_once) as pool:
                    try:
                        return list(pool.map(self.play, several))
                    except BaseException:
                        pool.shutdown(cancel_futures=True)
                        raise
            case Call():
                return self._answer(wish)

    def _answer(self, call: Call) -> Answer:
        with self.stream(call) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            if call.sink is None or response.status_code not in (200, 206):
                return Answer(response.status_code, headers, response.read())
            call.sink.begin(response.status_code, headers)
            for piece in response.iter_bytes():
                call.sink.write(piece)
            return Answer(response.status_code, headers, b"")


class AsyncPlayer:
    """Plays steps, and lets others go on meanwhile."""

    def __init__(self, place: Place) -> None:
        self._http = httpx.AsyncClient(timeout=TIMEOUT, limits=httpx.Limits(max_connections=32))
        self._requests = _Requests(place)

    async def play(self, steps: Steps[_T]) -> _T:
        """What the steps come to. Raises what they raise."""
        turn = _Turn(steps)
        while (wish := turn.wish) is not None:
            try:
                turn.send(await self._fulfil(wish))
            except ServerAway as away:
                turn.throw(away)
        return turn.outcome

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _fulfil(self, wish: Wish) -> Any:
        match wish:
            case Pause(seconds):
                return await asyncio.sleep(seconds)
            case Together(several, at_once):
                return await self._together(several, asyncio.Semaphore(at_once))
            case Call():
                return await self._answer(wish)

    async def _together(self, several: Any, gate: asyncio.Semaphore) -> list[Any]:
        async def one(steps: Steps[Any]) -> Any:
            async with gate:
                return await self.play(steps)

        tasks = [asyncio.ensure_future(one(steps)) for steps in several]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _answer(self, call: Call) -> Answer:
        with self._requests.errors():
            request = self._requests.request(self._http, call)
            response = await self._http.send(request, stream=True)
            self._requests.heard()
            try:
                headers = {name.lower(): value for name, value in response.headers.items()}
                if call.sink is None or response.status_code not in (200, 206):
                    return Answer(response.status_code, headers, await response.aread())
                call.sink.begin(response.status_code, headers)
                async for piece in response.aiter_bytes():
                    call.sink.write(piece)
                return Answer(response.status_code, headers, b"")
            finally:
                await response.aclose()
