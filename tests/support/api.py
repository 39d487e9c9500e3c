"""A running API: the app behind a real uvicorn in a thread, and the rows and files behind it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx
import uvicorn
from sqlalchemy import Engine, func, select, text

from api.main import build_app
from shared.database.engines import sync_engine, transaction
from shared.database.keys import mint_key
from shared.database.queries.keys import ensure_workspace, save_key
from shared.database.tables import Chunk
from shared.settings import ApiSettings
from shared.storage.objects import Credentials, ObjectStorage, open_storage
from tests.support import calls
from tests.support.catalogs import LIVER
from tests.support.completer import Completer
from tests.support.processes import wait_until

SECRET = "a secret of the tests"


@dataclass(frozen=True)
class Service:
    """One API, a key of its default workspace, and hands that do a worker's part."""

    url: str
    settings: ApiSettings
    engine: Engine
    storage: ObjectStorage
    key: str = field(repr=False)

    @property
    def completer(self) -> Completer:
        """Finishes jobs as a worker would."""
        return Completer(self.engine, self.storage)

    def new_key(self, workspace: str) -> str:
        """A key of a workspace, which is made if it is new."""
        return new_key(self.engine, workspace)

    def call(self, method: str, path: str, *, key: str | None = None, **options: Any) -> httpx.Response:
        """One request, with this service's key unless another is given."""
        headers = {"Authorization": f"Bearer {key or self.key}", **options.pop("headers", {})}
        return calls.request(method, self.url + path, headers=headers, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        """A GET with the key."""
        return self.call("GET", path, **options)

    def predict(self, query: Any, model_id: str = "gem-1-bulk", **options: Any) -> httpx.Response:
        """A POST of a query with the key."""
        return self.call("POST", f"/api/models/{model_id}/predict", json=query, **options)

    def submit(self, *sizes: int, **options: Any) -> UUID:
        """Submit a query of liver samples that must be accepted; returns the job's id."""
        answer = self.predict(query_of(*sizes, **options))
        assert answer.status_code == 202, answer.text
        return UUID(answer.json()["modelQueryId"])

    def finished(self, *sizes: int, **options: Any) -> UUID:
        """Submit, and have every chunk completed."""
        job_id = self.submit(*sizes, **options)
        self.completer.run_all()
        return job_id

    def download_url(self, job_id: UUID) -> str:
        """The signed link of a ready job."""
        url: str = self.get(f"/api/model-queries/{job_id}/status").json()["downloadUrl"]
        return url


def claim_soon(completer: Completer, count: int) -> list[Chunk]:
    """Claim that many chunks as soon as they are queued."""
    claimed: list[Chunk] = []

    def enough() -> bool:
        claimed.extend(completer.claim(count - len(claimed)))
        return len(claimed) == count

    wait_until(enough)
    return claimed


@contextmanager
def once_somebody_waits(api: Service, action: Callable[[], object]) -> Iterator[None]:
    """Acts beside the block, once the API has begun to look for news of jobs: somebody waits by then."""
    since = now(api.engine)

    def late() -> None:
        wait_until_somebody_waits(api.engine, since)
        action()

    with background(late):
        yield


def wait_until_somebody_waits(engine: Engine, since: datetime) -> None:
    """Until the API has asked for news of jobs after that moment, which it does while somebody waits."""
    looked = text(
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() "
        "AND query LIKE '%unnest(%AS known(%' AND pid <> pg_backend_pid() AND query_start > :since"
    )

    def waited_for() -> bool:
        with transaction(engine) as session:
            return bool(session.execute(looked, {"since": since}).scalar_one())

    wait_until(waited_for)


def now(engine: Engine) -> datetime:
    """By the clock of the database."""
    with transaction(engine) as session:
        return session.scalars(select(func.clock_timestamp())).one()


def health(url: str, *well: str) -> httpx.Response:
    """What an API says of itself, once each of these that it depends on has answered it in time."""
    answers: list[httpx.Response] = []

    def all_well() -> bool:
        answers.append(calls.get(f"{url}/health/ready"))
        return all(answers[-1].json()["checks"][name] == "ok" for name in well)

    wait_until(all_well)
    return answers[-1]


def query_of(*sizes: int, **options: Any) -> dict[str, Any]:
    """A valid query: one condition of liver per size."""
    inputs = [{"metadata": {"tissue_ontology_id": LIVER}, "num_samples": size} for size in sizes or (3,)]
    return {"sampling_strategy": "mean estimation", "inputs": inputs, **options}


def new_key(engine: Engine, workspace: str) -> str:
    """A key of a workspace, which is made if it is new."""
    key = mint_key()
    with transaction(engine) as session:
        workspace_id = session.execute(ensure_workspace(workspace)).scalar_one()
        session.execute(save_key(workspace_id, "test", key))
    return key.plain


@contextmanager
def background(work: Callable[[], object]) -> Iterator[None]:
    """Runs work beside the block; what it raises is raised at the end of the block."""
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(work)
        yield
        running.result()


@contextmanager
def service(settings: ApiSettings) -> Iterator[Service]:
    """The API of these settings, running."""
    engine = sync_engine(settings.database_url.get_secret_value(), pool_size=1)
    key, secret = settings.aws_access_key_id, settings.aws_secret_access_key
    credentials = Credentials(
        key.get_secret_value() if key else None, secret.get_secret_value() if secret else None
    )
    storage = open_storage(settings.storage_url, credentials)
    with closing_engine(engine), serving(settings) as url:
        yield Service(url, settings, engine, storage, new_key(engine, "default"))


@contextmanager
def closing_engine(engine: Engine) -> Iterator[None]:
    """Closes the engine's connections at the end."""
    try:
        yield
    finally:
        engine.dispose()


@contextmanager
def serving(settings: ApiSettings) -> Iterator[str]:
    """The URL of a uvicorn that serves the app of these settings from a thread."""
    config = uvicorn.Config(build_app(settings), "127.0.0.1", 0, log_config=None, timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="uvicorn")
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the API did not start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def settings_for(**given: Any) -> ApiSettings:
    """Settings with a test's URLs; all else as it is by default."""
    values: Mapping[str, Any] = {"secret_key": SECRET, **given}
    return ApiSettings(**values)
