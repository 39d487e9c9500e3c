"""Self-hosted mode: one call that answers with the samples, part by part, and never with too few."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import orjson
import pyarrow as pa
import pytest
import structlog
from sqlalchemy import select

from shared.database.engines import transaction
from shared.database.tables import Job
from tests.integration.api.conftest import Serve
from tests.support.api import Service, background, claim_soon, query_of

ARROW = "application/vnd.apache.arrow.stream"
PREDICT = "/api/models/gem-1-bulk/predict"


@contextmanager
def asking(api: Service, *sizes: int) -> Iterator[httpx.Response]:
    headers = {"Accept": ARROW, "Authorization": f"Bearer {api.key}"}
    with httpx.stream(
        "POST", api.url + PREDICT, json=query_of(*sizes), headers=headers, timeout=20
    ) as answer:
        yield answer


def newest_job(api: Service, after: set[UUID]) -> UUID:
    """The id of the job that appears beside those known."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with transaction(api.engine) as session:
            new = set(session.scalars(select(Job.id))) - after
        if new:
            return new.pop()
        time.sleep(0.01)
    raise AssertionError("no job was saved")


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
        assert arrived.wait(10)
        api.completer.complete(second)

    with background(complete_the_second_when_the_first_has_arrived), asking(api, 8) as answer:
        pieces = answer.iter_raw()
        received = bytearray(next(pieces))
        first_rows = pa.ipc.open_stream(io.BytesIO(bytes(received))).read_next_batch()
        assert first_rows.num_rows == 4
        arrived.set()
        for piece in pieces:
            received += piece
    assert pa.ipc.open_stream(io.BytesIO(bytes(received))).read_all().num_rows == 8


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
    address = urlsplit(api.url)
    body = orjson.dumps(query_of(8))
    head = (
        f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.key}\r\nAccept: {ARROW}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(head.encode() + body)
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
        with pytest.raises(httpx.ReadTimeout), asking_briefly(api):
            pass
        deadline = time.monotonic() + 3
        while not (ended := [line for line in logs if line.get("path") == PREDICT]):
            assert time.monotonic() < deadline, "the request still waits"
            time.sleep(0.02)
        assert ended[0]["status"] == 0
        assert api.completer.run_all() == 2


@contextmanager
def asking_briefly(api: Service) -> Iterator[httpx.Response]:
    headers = {"Accept": ARROW, "Authorization": f"Bearer {api.key}"}
    with httpx.stream("POST", api.url + PREDICT, json=query_of(8), headers=headers, timeout=0.5) as answer:
        yield answer


def test_a_caller_waits_no_longer_than_the_operator_allows(serve: Serve) -> None:
    with serve(stream_wait=timedelta(seconds=0.3)) as api, asking(api, 4) as answer:
        assert answer.status_code == 504
        body = orjson.loads(answer.read())
        assert body["code"] == "result_late"
        assert "/result" in body["error"]


def test_it_works_without_a_key_where_authentication_is_off(serve: Serve) -> None:
    with serve(auth="off") as api:
        with background(lambda: api.completer.complete(*claim_soon(api.completer, 1))):
            answer = httpx.post(api.url + PREDICT, json=query_of(2), headers={"Accept": ARROW}, timeout=20)
        assert pa.ipc.open_stream(io.BytesIO(answer.content)).read_all().num_rows == 2


def test_a_query_with_faults_is_refused_as_in_hosted_mode(api: Service) -> None:
    answer = api.predict({"inputs": []}, headers={"Accept": ARROW})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/json"
