"""The client that blocks: a server, its queries."""

from __future__ import annotations

import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self, TypeVar
from urllib.parse import quote
from uuid import uuid4

import httpx

from genequeue.client import queries
from genequeue.client.calls import Call, Json, Steps, ask, post_json, quiet
from genequeue.client.errors import failure
from genequeue.client.place import Place
from genequeue.client.players import Player
from genequeue.client.progress import showing
from genequeue.client.queries import Accepted, Attempt
from genequeue.client.result import Result
from genequeue.client.submissions import Source, read_submission

_T = TypeVar("_T")


class Client:
    """A GeneQueue at `url`, with a key or without one; else as GENEQUEUE_URL and GENEQUEUE_API_KEY say.

    May be shared by threads. Every method raises RequestFailed, with the server's own sentences.
    """

    def __init__(self, url: str | None = None, key: str | None = None) -> None:
        self._place = Place.find(url, key)
        self._player = Player(self._place)
        self.close = weakref.finalize(self, self._player.close)

    @property
    def url(self) -> str:
        """Where the API is."""
        return self._place.url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(self, query: Source, model: str, *, progress: bool = False, **options: Any) -> Query:
        """Have a query saved, once, whatever happens to the connection; it runs from now on.

        `query` is a dict as the API takes it, a list of its inputs, a table of conditions (pandas, polars,
        Arrow), or the path of a file: .json, .csv, .ndjson, .parquet. Options are the API's: `seed`,
        `sampling_strategy`, `num_samples`, `on_error`. Raises QueryRefused, whose `faults` name all that is
        wrong.
        """
        what = read_submission(query, model, options)
        with showing(progress) as tell:
            accepted = self.play(queries.submit(what, model, Attempt(uuid4().hex), tell))
        return Query(self, accepted)

    def check(self, query: Source, model: str, **options: Any) -> Json:
        """What the server would say of a query, without running it: its coverage, size and time."""
        return self.play(queries.check(read_submission(query, model, options), model, quiet))

    def query(self, query_id: str) -> Query:
        """A query that was submitted before."""
        return Query(self, Accepted(query_id))

    def models(self) -> list[Json]:
        """The models that can be asked."""
        return list(self.get("/api/models")["models"])

    def example(self, model: str) -> Json:
        """A query that the model accepts as it stands."""
        return dict(self.get(f"/api/models/{quote(model)}/example-query")["example_query"])

    def get(self, path: str, **parameters: Any) -> Any:
        """The JSON of any GET."""
        return self.play(queries.get_json(path, **parameters))

    def post(self, path: str, body: object) -> Any:
        """The JSON of any POST; sent once."""
        return self.play(ask(post_json(path, body, repeatable=False))).json()

    def delete(self, path: str) -> None:
        """Any DELETE."""
        self.play(ask(Call("DELETE", path, repeatable=False)))

    @contextmanager
    def stream(self, path: str, accept: str, **headers: str) -> Iterator[httpx.Response]:
        """A long answer, read as it comes."""
        with self._player.stream(Call("GET", path, headers={"Accept": accept, **headers})) as response:
            if response.is_error:
                raise failure(response.status_code, response.read(), dict(response.headers))
            yield response

    def play(self, steps: Steps[_T]) -> _T:
        """What steps come to, over this client's connections."""
        return self._player.play(steps)


class Query:
    """A query that the server has. `rejected_rows` were bad and left out; `report` says why, at that URL."""

    def __init__(self, client: Client, accepted: Accepted) -> None:
        self._client = client
        self.id = accepted.query_id
        self.rejected_rows, self.report = accepted.rejected_rows, accepted.report

    def __repr__(self) -> str:
        return f"Query({self.id!r})"

    def status(self) -> Json:
        """Everything about it, as it stands."""
        return self._client.play(queries.state_of(self.id))

    def watch(self, every: float = 0.25) -> Iterator[Json]:
        """Its state, again and again, until it has ended."""
        while True:
            state = self.status()
            yield state
            if state["status"] in queries.FINAL:
                return
            time.sleep(every)

    def wait(self, progress: bool = True) -> Self:
        """Until it is ready. Raises QueryEnded if it ends without a result."""
        with showing(progress) as tell:
            self._client.play(queries.wait(self.id, tell))
        return self

    def result(self) -> Result:
        """Its result, once it is ready. Raises QueryEnded."""
        return Result(self._client, self._client.play(queries.wait(self.id, quiet)))

    def cancel(self) -> Json:
        """Stop it; what is finished of it is kept. Its state."""
        return self._client.play(queries.act(self.id, "cancel", repeatable=True))

    def retry_failed(self) -> Query:
        """Send its failed inputs again, as a new query."""
        return self._new("retry-failed")

    def reproduce(self) -> Query:
        """Run it again; the new one's `status()["reproduces"]` says whether every digest is the same."""
        return self._new("reproduce")

    def delete(self) -> None:
        """Remove its result and its inputs, for good."""
        self._client.delete(queries.path_of(self.id))

    def _new(self, action: str) -> Query:
        return Query(self._client, Accepted.read(self._client.play(queries.act(self.id, action))))
