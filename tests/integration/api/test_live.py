"""Self-hosted mode: one call that answers with the samples, part by part, and never with too few."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import orjson
import pyarrow as pa
import structlog
from sqlalchemy import select

from shared.database.engines import transaction
from shared.database.tables import Job
from tests.integration.api.conftest import Serve
from tests.support import calls
from tests.support.api import Service, background, claim_soon, query_of
from tests.support.processes import wait_until

ARROW = "application/vnd.apache.arrow.stream"
PREDICT = "/api/models/gem-1-bulk/predict"


@contextmanager
def asking(api: Service, *sizes: int) -> Iterator[httpx.Response]:
    headers = {"Accept": ARROW, "Authorization": f"Bearer {api.key}"}
    with calls.stream("POST", api.url + PREDICT, json=query_of(*sizes), headers=headers) as answer:
        yield answer


def newest_job(api: Service, after: set[UUID]) -> UUID:
    """The id of the job that appears beside those known."""
    wait_until(lambda: bool(known_jobs(api) - after))
    (new,) = known_jobs(api) - after
    return new


def known_jobs(api: Service) -> set[UUID]:
    with transaction(api.engine) as session:
        return set(session.scalars(select(Job.id)))


def test_the_stream_is_what_the_clients_read(api: Service) -> None:
    def complete_out_of_order() -> None:
        for chunk in reversed(claim_soon(api.completer, 3)):
            api.completer.complete(chunk)

    with background(complete_out_of_order), asking(api, 5, 6) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"] == ARROW
        table = pa.ipc.open_stream(io.BytesIO(answer.read())).read_all()
    assert table.column("counts").to_pylist() == [[1000 * s + g for g in range(50)] for s in range(11)]
    metadata = table.schema.metadata
    assert metadata[b"request_type"] == b"baseline"
    assert metadata[b"model_version"] == b"1"
    assert len(orjson.loads(metadata[b"gene_order"])) == 50
    # The same job underneath: it can be read again.
    location = answer.headers["location"].removeprefix(api.url)
    assert api.get(location).json()["status"] == "ready"


def test_the_first_part_arrives_before_the_second_exists(api: Service) -> None:
    arrived = threading.Event()

    def complete_the_second_when_the_first_has_arrived() -> None:
        first, second = claim_soon(api.completer, 2)
        api.completer.complete(first)
        assert arrived.wait(calls.PATIENCE)
        api.completer.complete(second)

    with background(complete_the_second_when_the_first_has_arrived), asking(api, 8) as answer:
        pieces, received = answer.iter_raw(), bytearray()
        while rows_in(received) < 4:
            received += next(pieces)
        assert rows_in(received) == 4
        arrived.set()
        for piece in pieces:
            received += piece
    assert pa.ipc.open_stream(io.BytesIO(bytes(received))).read_all().num_rows == 8


def rows_in(begun: bytes) -> int:
    """The rows of the batches that are whole in the beginning of a stream."""
    rows = 0
    with suppress(pa.ArrowInvalid, OSError):
        for batch in pa.ipc.open_stream(io.BytesIO(bytes(begun))):
            rows += batch.num_rows
    return rows


def test_a_failure_before_the_first_part_is_an_error_answer(api: Service) -> None:
    before = known_jobs(api)

    def fail() -> None:
        api.completer.fail(newest_job(api, before), "The model broke.")

    with background(fail), asking(api, 4) as answer:
        assert answer.status_code == 500
        body = orjson.loads(answer.read())
    assert body["code"] == "job_failed"
    assert "The model broke." in body["error"]


def test_a_failure_after_the_first_part_drops_the_connection_without_an_end_marker(api: Service) -> None:
    """Read from the socket itself: no last chunk of HTTP, no end marker of Arrow."""
    with asked_on_a_socket(api, 8) as connection:
        first, _ = claim_soon(api.completer, 2)
        api.completer.complete(first)
        received = bytearray()
        while len(received) < 1000:
            received += connection.recv(65536)
        api.completer.fail(first.job_id, "The second part broke.")
        while piece := connection.recv(65536):
            received += piece
    header, _, content = bytes(received).partition(b"\r\n\r\n")
    assert header.startswith(b"HTTP/1.1 200")
    assert b"transfer-encoding: chunked" in header.lower()
    assert not content.endswith(b"0\r\n\r\n")
    assert b"\xff\xff\xff\xff\x00\x00\x00\x00" not in content[-40:]


def test_a_caller_that_goes_away_stops_the_waiting_and_not_the_job(serve: Serve) -> None:
    with serve() as api, structlog.testing.capture_logs() as logs:
        with asked_on_a_socket(api, 8):
            newest_job(api, set())
        wait_until(lambda: any(line.get("path") == PREDICT for line in logs))
        assert [line["status"] for line in logs if line.get("path") == PREDICT] == [0]
        assert api.completer.run_all() == 2


@contextmanager
def asked_on_a_socket(api: Service, *sizes: int) -> Iterator[socket.socket]:
    """A connection on which the question was sent."""
    address, body = urlsplit(api.url), orjson.dumps(query_of(*sizes))
    head = (
        f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.key}\r\nAccept: {ARROW}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((address.hostname, address.port), timeout=calls.PATIENCE) as connection:
        connection.sendall(head.encode() + body)
        yield connection


def test_a_caller_waits_no_longer_than_the_operator_allows(serve: Serve) -> None:
    with serve(stream_wait=timedelta(seconds=0.3)) as api, asking(api, 4) as answer:
        assert answer.status_code == 504
        body = orjson.loads(answer.read())
        assert body["code"] == "result_late"
        assert "/result" in body["error"]


def test_it_works_without_a_key_where_authentication_is_off(serve: Serve) -> None:
    with serve(auth="off") as api:
        with background(lambda: api.completer.complete(*claim_soon(api.completer, 1))):
            answer = calls.post(api.url + PREDICT, json=query_of(2), headers={"Accept": ARROW})
        assert pa.ipc.open_stream(io.BytesIO(answer.content)).read_all().num_rows == 2


def test_a_query_with_faults_is_refused_as_in_hosted_mode(api: Service) -> None:
    answer = api.predict({"inputs": []}, headers={"Accept": ARROW})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/json"
