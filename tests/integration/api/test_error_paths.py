"""Every route under what callers get wrong and what breaks: one error body, and never a traceback."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import psycopg
import pytest
from psycopg import sql
from sqlalchemy import text

from shared.database.engines import transaction
from tests.integration.api.conftest import Serve
from tests.support import calls
from tests.support.api import Service, query_of
from tests.support.processes import wait_until
from tests.support.servers import Servers

# What no answer may hold: our insides, and the words of what we are built of.
_INSIDES = re.compile(
    r"Traceback|File \"|\.py\b|sqlalchemy|psycopg|postgresql://|pydantic|obstore|asyncio|\bat 0x[0-9a-f]+|"
    r"SELECT |INSERT |relation \"|Generic S3|s3://|127\.0\.0\.1|Exception\b|Error\(|NoneType|has no attribute"
)
_CODE = re.compile(r"[a-z]+(_[a-z]+)*")
_FIELDS = ["error", "errors", "code", "request_id"]

HOSTILE_IDS = (
    "x",
    str(uuid4()),
    "%00",
    "..%2f..%2fetc%2fpasswd",
    "'%20OR%201=1--",
    "%F0%9F%A7%AC",
    "%ff%fe",
    "{query_id}",
    "9" * 5_000,
)
HOSTILE_VALUES = ("", "-1", "1e999", "nan", "\x00", "'; DROP TABLE jobs; --", "☃", "9" * 400, "null", "a,b")
HOSTILE_HEADERS: tuple[dict[str, bytes], ...] = (
    {"Last-Event-ID": b"-5"},
    {"Last-Event-ID": b"99999999999999999999999"},
    {"If-None-Match": b'W/"x", "\xff"'},
    {"Idempotency-Key": b"\xe4 two words"},
    {"Prefer": b"wait=\xff, ;;;=,"},
    {"Cancel-After": b"soon"},
    {"Accept": b"*/*;q=\xff,,;"},
    {"Content-Encoding": b"gzip"},
    {"Content-Encoding": b"compress"},
    {"X-Request-ID": b"two words\xff"},
    {"Content-Type": b"text/html; charset=\xff"},
)
HOSTILE_BODIES = (
    b"",
    b"{",
    b"\x00\xff\xfe",
    b"[" * 100_000,
    b'{"inputs": ' * 2_000,
    b"null",
    b"[]",
    b'"text"',
    b"1e400",
    b'{"inputs": {"0": {}}}',
    b'{"inputs": [null, 1, "x", [], {"num_samples": 1e300, "metadata": 5}]}',
    b'{"sampling_strategy": ["a"], "inputs": [{"metadata": {"sex": {"a": 1}}, "num_samples": true}]}',
    b'{"inputs": [{"counts": [1, null, "2"], "metadata": []}], "seed": -1, "total_count": "many"}',
    b'{"client_metadata": {"a\\u0000b": "\\u0000"}, "source": "\\u0000", "inputs": []}',
    b'{"inputs": [{"metadata": {"study": "\\u0000", "' + b"k" * 20_000 + b'": 1}, "num_samples": 1}]}',
    b'{"inputs": [{"metadata": {}, "num_samples": 99999999999999999999}]}',
    b'{"\\ud800": 1}',
)


@dataclass(frozen=True)
class Operation:
    """One method of one path of the OpenAPI document."""

    method: str
    path: str
    parameters: list[dict[str, Any]] = field(default_factory=list)
    has_body: bool = False

    def url(self, *, model: str = "gem-1-bulk", other: str = "x") -> str:
        """The path with its places filled."""
        return re.sub(r"\{(\w+)\}", lambda place: model if place[1] == "model_id" else other, self.path)

    @property
    def queried(self) -> list[str]:
        """The names of its query parameters."""
        return [one["name"] for one in self.parameters if one["in"] == "query"]


@pytest.fixture(scope="module")
def operations(api: Service) -> list[Operation]:
    document = calls.get(f"{api.url}/openapi.json").json()
    found = [
        Operation(method.upper(), path, operation.get("parameters", []), "requestBody" in operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    assert len(found) >= 18
    return found


def judge(answer: httpx.Response, asked: str) -> None:
    """An answer is one that was meant, or the one error body."""
    assert answer.status_code < 500 or answer.status_code == 503, (asked, answer.status_code, answer.text)
    judge_body(answer, asked)


def judge_body(answer: httpx.Response, asked: str) -> None:
    """A refusal has all four fields, one line for people, one word for programs, and no insides."""
    if answer.status_code < 400 or "/health/ready" in asked:
        return
    if asked.startswith("HEAD "):
        assert not answer.content, asked
        return
    body = answer.json()
    assert list(body) == _FIELDS, asked
    assert body["request_id"] == answer.headers["x-request-id"] != "", asked
    assert _CODE.fullmatch(body["code"]), asked
    assert body["error"].split() == body["error"].split(" ") != [""], asked
    assert body["errors"], asked
    for fault in body["errors"]:
        assert fault.keys() == {"path", "message"}, asked
        assert fault["message"].strip(), asked
    assert not (found := _INSIDES.search(answer.text)), (asked, found, answer.text[:500])


def ask(
    api: Service, client: httpx.Client, operation: Operation, url: str = "", **options: Any
) -> tuple[httpx.Response, str]:
    """One request with the key, and its name for a message; a stream is not read."""
    # Nobody makes files here: without the wish they would be waited for.
    usual = {"Authorization": f"Bearer {api.key}", "Prefer": "respond-async"}
    headers = {**usual, **options.pop("headers", {})}
    where = url or operation.url()
    told = f"{operation.method} {where[:120]} {str(options)[:200]} {str(headers)[:200]}"
    with client.stream(operation.method, where, headers=headers, **options) as answer:
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            answer.read()
    return answer, told


@pytest.fixture
def client(api: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=api.url, timeout=calls.PATIENCE) as made:
        yield made


def test_ids_that_are_none_are_refused_by_every_route(
    api: Service, client: httpx.Client, operations: list[Operation]
) -> None:
    for operation, hostile in itertools.product(operations, HOSTILE_IDS):
        if "{" in operation.path:
            url = re.sub(r"\{\w+\}", lambda _, text=hostile: text, operation.path)  # type: ignore[misc]
            answer, asked = ask(api, client, operation, url)
            judge(answer, asked)
            assert 400 <= answer.status_code < 500, asked


def test_parameters_that_are_none_are_refused_or_ignored(
    api: Service, client: httpx.Client, operations: list[Operation]
) -> None:
    job_id = str(api.finished(1))
    for operation in operations:
        for name, value in itertools.product(
            [*operation.queried, "metadata.k\x00", "unknown"], HOSTILE_VALUES
        ):
            if operation.method == "GET":
                url = operation.url(other="sex" if "vocabulary" in operation.path else job_id)
                judge(*ask(api, client, operation, url, params={name: value}))


def test_headers_that_are_none_are_refused_or_ignored(
    api: Service, client: httpx.Client, operations: list[Operation]
) -> None:
    for operation, headers in itertools.product(operations, HOSTILE_HEADERS):
        url = operation.url(other=str(uuid4()))
        content = b'{"inputs": []}' if operation.has_body else None
        judge(*ask(api, client, operation, url, headers=headers, content=content))


def test_bodies_that_are_no_query_are_refused_with_every_model(
    api: Service, client: httpx.Client, operations: list[Operation]
) -> None:
    for operation, body in itertools.product(operations, HOSTILE_BODIES):
        if operation.has_body:
            for suffix in ("", "_reference-conditioning", "_predict-metadata"):
                url = operation.url(model=f"gem-1-bulk{suffix}")
                answer, asked = ask(api, client, operation, url, content=body)
                judge(answer, asked)
                of_uploads = {404, 412} if "/uploads" in operation.path else set()
                assert answer.status_code in {400, 413, 422} | of_uploads, asked


@pytest.mark.parametrize("sent", ["", "Bearer", "Basic eA==", "Bearer \x00", "Bearer gq_" + "x" * 5_000])
def test_a_key_that_is_none_is_refused_by_every_route_that_wants_one(
    api: Service, client: httpx.Client, operations: list[Operation], sent: str
) -> None:
    for operation in operations:
        if operation.path.startswith("/api") and "downloads" not in operation.path:
            header = {"Authorization": sent.encode()}
            if "\x00" in sent:
                continue  # No HTTP library sends it; uvicorn refuses the request as a whole.
            answer, asked = ask(api, client, operation, headers=header)
            judge(answer, asked)
            assert answer.status_code == 401, asked
            assert answer.headers["www-authenticate"].startswith("Bearer"), asked


def test_methods_and_paths_that_are_none_are_refused(
    api: Service, client: httpx.Client, operations: list[Operation]
) -> None:
    offered = {(operation.path, operation.method) for operation in operations}
    paths = {operation.path: operation.url(other=str(uuid4())) for operation in operations}
    nowhere = {path: path for path in ("/", "/api", "/api/nothing")}
    asking = itertools.product({**paths, **nowhere}.items(), ("PUT", "PATCH", "TRACE"))
    for (template, path), method in asking:
        if (template, method) in offered:
            continue
        answer, asked = ask(api, client, Operation(method, path))
        judge(answer, asked)
        assert answer.status_code in {404, 405}, asked


@dataclass(frozen=True)
class Ready:
    """A ready query, and the path of a link to its result."""

    job_id: str
    link: str

    @classmethod
    def of(cls, api: Service) -> Ready:
        """One that is made now."""
        job_id = api.finished(2)
        return cls(str(job_id), api.download_url(job_id).removeprefix(api.url))


def statuses(api: Service, operations: list[Operation], ready: Ready) -> dict[str, int]:
    """What every route answers about a ready query while something below is broken; each is judged."""
    met = {}
    with httpx.Client(base_url=api.url, timeout=calls.PATIENCE) as client:
        for operation in operations:
            url = operation.url(other="sex" if "vocabulary" in operation.path else ready.job_id)
            url = ready.link if "/downloads/" in url else url
            content = query_of(1) if operation.has_body else None
            answer, asked = ask(api, client, operation, url, json=content)
            judge_body(answer, asked)
            if answer.status_code == 503 and "/health/" not in asked:
                assert answer.headers["retry-after"], asked
            met[f"{operation.method} {operation.path}"] = answer.status_code
    return met


def test_a_database_that_is_gone_is_503_with_a_time_to_come_back(
    serve: Serve, servers: Servers, operations: list[Operation], database_url: str
) -> None:
    database = urlsplit(database_url).path.removeprefix("/")
    close = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(database))
    hang_up = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
    with (
        serve() as working,
        serve(database_patience="PT0.1S") as api,
        psycopg.connect(servers.database, autocommit=True) as root,
    ):
        ready = Ready.of(working)
        root.execute(close)
        wait_until(lambda: not root.execute(hang_up, [database]).fetchall())
        met = statuses(api, operations, ready)
    answered = {asked for asked, status in met.items() if status == 200}
    assert answered == {"GET /health/live", "GET /metrics", "GET /.well-known/genequeue-webhooks.json"}
    assert {status for asked, status in met.items() if asked not in answered} == {503}


def test_a_database_that_answers_nonsense_is_500_without_its_words(
    serve: Serve, operations: list[Operation]
) -> None:
    with serve() as api:
        ready = Ready.of(api)
        with transaction(api.engine) as session:
            session.execute(text("ALTER TABLE jobs RENAME TO elsewhere"))
        met = statuses(api, operations, ready)
    broken = {asked for asked, status in met.items() if status == 500}
    # The groups of a comparison are read before anything is looked up.
    unread = {"POST /api/model-queries/{query_id}/compare"}
    assert {asked for asked in met if "{query_id}" in asked} - unread <= broken
    assert "POST /api/models/{model_id}/predict" in broken


def test_a_storage_that_is_gone_is_503_where_it_is_needed_and_nothing_else_notices(
    serve: Serve, operations: list[Operation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    with serve() as working, serve(storage_url="s3://bucket?endpoint=http://127.0.0.1:1") as api:
        met = statuses(api, operations, Ready.of(working))
    assert {asked for asked, status in met.items() if status >= 500} == {
        "DELETE /api/model-queries/{query_id}",
        "GET /api/model-queries/{query_id}/result",
        "GET /api/model-queries/{query_id}/manifest",
        "GET /api/model-queries/{query_id}/summary",
        # All of them ask for the same link here.
        "GET /api/downloads/{query_id}",
        "GET /api/downloads/{query_id}/parts/{position}",
        "GET /api/downloads/artifacts/{artifact_id}",
        "GET /api/downloads/reports/{report_id}",
        "GET /health/ready",
    }
