"""Submitting a query: what is saved, what is said, and what is refused."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from redis import Redis
from sqlalchemy import text

from shared.database.engines import transaction
from shared.database.queries.jobs import inputs_of_job
from shared.database.tables import JobInput
from shared.jobs.chunks import first_samples
from shared.messages import WAKE_GENERATION
from shared.sheets.sheet import SheetRef, decode_sheet
from tests.integration.api.conftest import Serve
from tests.support.api import Service, health, query_of
from tests.support.catalogs import HEART, LIVER, LOBE_OF_LIVER
from tests.support.jobs import read_chunks, read_events, read_job
from tests.support.processes import wait_until

PREDICT = "/api/models/gem-1-bulk/predict"


def inputs(api: Service, job_id: UUID) -> list[JobInput]:
    with transaction(api.engine) as session:
        return list(session.scalars(inputs_of_job(job_id)))


def count_jobs(api: Service) -> int:
    with transaction(api.engine) as session:
        return int(session.execute(text("SELECT count(*) FROM jobs")).scalar_one())


def sent_messages(redis_url: str) -> int:
    with Redis.from_url(redis_url) as client:
        return int(client.llen(str(WAKE_GENERATION.queue)))


def test_a_query_becomes_a_job_with_its_conditions_chunks_and_first_event(api: Service) -> None:
    query = query_of(3, 4, seed=11, source="pysynthbio")
    query["inputs"][1]["metadata"] = {"tissue_ontology_id": HEART, "sex": "male"}
    answer = api.predict(query)
    assert answer.status_code == 202
    assert list(answer.json()) == ["modelQueryId"]
    job_id = UUID(answer.json()["modelQueryId"])
    assert answer.headers["location"] == f"{api.url}/api/model-queries/{job_id}"

    job = read_job(api.engine, job_id)
    assert (job.state, job.samples_total, job.chunks_total, job.chunks_open) == ("queued", 7, 2, 2)
    assert (job.seed, job.source, job.total_count) == (11, "pysynthbio", 10_000_000)
    chunks = read_chunks(api.engine, job_id)
    assert [(chunk.first_sample, chunk.num_samples) for chunk in chunks] == [(0, 4), (4, 3)]
    assert [(row.first_sample, row.num_samples) for row in inputs(api, job_id)] == [(0, 3), (3, 4)]
    assert [event.kind for event in read_events(api.engine, job_id)] == ["query.queued"]


def test_conditions_are_kept_with_their_places_in_the_vocabulary(api: Service) -> None:
    (row,) = inputs(api, api.submit(1))
    assert row.conditions == {"tissue_ontology_id": LIVER}
    assert row.placements == {
        "tissue_ontology_id": {"coverage": "exact", "terms": [LIVER], "distance": 0},
    }


def test_a_seed_left_open_is_drawn_and_kept(api: Service) -> None:
    seeds = {read_job(api.engine, api.submit(1)).seed for _ in range(5)}
    assert len(seeds) == 5
    assert all(0 <= seed < 1 << 63 for seed in seeds)


def test_two_thousand_conditions_are_rows_saved_in_order(api: Service) -> None:
    sizes = [1 + number % 3 for number in range(2_000)]
    job_id = api.submit(*sizes)
    rows = inputs(api, job_id)
    assert [row.num_samples for row in rows] == sizes
    assert [row.position for row in rows] == list(range(2_000))
    assert read_job(api.engine, job_id).sheets == []


def test_more_conditions_are_kept_in_sheets_in_order(api: Service) -> None:
    sizes = [1 + number % 3 for number in range(12_000)]
    job_id = api.submit(*sizes)
    job = read_job(api.engine, job_id)
    sheets = [SheetRef.from_json(entry) for entry in job.sheets]
    rows = [row for sheet in sheets for row in decode_sheet(api.storage.get(sheet.key))]
    assert [row.num_samples for row in rows] == sizes
    assert [row.position for row in rows] == list(range(12_000))
    assert [row.first_sample for row in rows] == first_samples(sizes)
    assert (inputs(api, job_id), job.samples_total, job.rejected) == ([], sum(sizes), None)


def test_the_operator_can_choose_the_size_of_chunks(serve: Serve) -> None:
    with serve(samples_per_chunk=2) as api:
        assert len(read_chunks(api.engine, api.submit(5))) == 3


def test_a_value_that_is_not_placed_exactly_is_said_in_a_warning(api: Service) -> None:
    query = query_of(1, 1)
    for condition in query["inputs"]:
        condition["metadata"]["tissue_ontology_id"] = LOBE_OF_LIVER
    job_id = api.predict(query).json()["modelQueryId"]
    (warning,) = api.get(f"/api/model-queries/{job_id}").json()["warnings"]
    assert warning.startswith(f"inputs[0].metadata.tissue_ontology_id: {LOBE_OF_LIVER} (left lobe of liver)")
    assert f"nearest known ancestor {LIVER} (liver)" in warning


def test_inputs_are_known_by_their_places_so_equal_ones_are_as_many_results(serve: Serve) -> None:
    """There are no ids that could be doubled: two equal inputs are two results, in their order."""
    with serve() as api:
        job_id = api.finished(2, 2, 2)
        assert [row.position for row in inputs(api, job_id)] == [0, 1, 2]
        outputs = api.get(f"/api/model-queries/{job_id}/result?format=json").json()["outputs"]
    assert [output["counts"][0] for output in outputs] == [0, 1000, 2000, 3000, 4000, 5000]


@pytest.mark.parametrize("name", ["id", "item_id", "name"])
def test_an_id_that_an_input_brings_along_is_refused_at_every_place_where_it_stands(
    api: Service, name: str
) -> None:
    query = query_of(1, 1, 1)
    for position in (0, 2):
        query["inputs"][position][name] = "twice"
    answer = api.predict(query)
    assert answer.status_code == 422
    assert [fault["path"] for fault in answer.json()["errors"]] == [f"inputs[0].{name}", f"inputs[2].{name}"]
    assert all(name in fault["message"] for fault in answer.json()["errors"])


def test_every_fault_of_a_query_is_reported_at_once(api: Service) -> None:
    before = count_jobs(api)
    query = query_of(0, 1)
    query["inputs"][1]["metadata"]["sex"] = "femal"
    query["sampling_strategy"] = "guessing"
    answer = api.predict(query)
    assert answer.status_code == 422
    body = answer.json()
    assert body["code"] == "query_rejected"
    assert {fault["path"] for fault in body["errors"]} == {
        "sampling_strategy",
        "inputs[0].num_samples",
        "inputs[1].metadata.sex",
    }
    assert all(fault["message"].strip() for fault in body["errors"])
    assert count_jobs(api) == before


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"", "empty"),
        (b"{", "line 1, column 2"),
        (b'{\n "inputs": [}', "line 2"),
        (b"\xff\xfe", "line 1"),
        (b'{"a": NaN}', "line 1"),
        (b"[" * 5000, "not valid JSON"),
    ],
)
def test_malformed_json_is_400_and_says_where(api: Service, body: bytes, where: str) -> None:
    answer = api.call("POST", PREDICT, content=body)
    assert answer.status_code == 400
    assert where in answer.json()["error"]
    assert answer.json()["errors"] == [{"path": "", "message": answer.json()["error"]}]


@pytest.mark.parametrize("document", ["[]", "null", '"query"', "7"])
def test_a_document_that_is_no_object_is_refused(api: Service, document: str) -> None:
    answer = api.call("POST", PREDICT, content=document.encode())
    assert answer.status_code == 422
    assert answer.json()["errors"]


def test_a_gzip_body_is_read(api: Service) -> None:
    zipped = gzip.compress(json.dumps(query_of(2)).encode())
    answer = api.call("POST", PREDICT, content=zipped, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 202


@pytest.mark.parametrize(
    ("encoding", "body"),
    [("gzip", b"no gzip"), ("gzip", gzip.compress(b"{}" * 50)[:-6]), ("br", b"{}")],
)
def test_a_body_in_a_broken_or_unknown_encoding_is_400(api: Service, encoding: str, body: bytes) -> None:
    answer = api.call("POST", PREDICT, content=body, headers={"Content-Encoding": encoding})
    assert answer.status_code == 400
    assert "gzip" in answer.json()["error"]


def pieces(size: int) -> Iterator[bytes]:
    for _ in range(0, size, 1000):
        yield b" " * 1000


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b" " * 20_000, {}),
        (pieces(20_000), {}),
        (gzip.compress(b" " * 20_000_000), {"Content-Encoding": "gzip"}),
    ],
    ids=["announced", "chunked", "zipped"],
)
def test_a_body_over_the_limit_is_413_and_names_the_limit(
    serve: Serve, content: Any, headers: dict[str, str]
) -> None:
    with serve(max_body_bytes=10_000) as api:
        answer = api.call("POST", PREDICT, content=content, headers=headers)
        assert answer.status_code == 413
        assert "10,000 bytes" in answer.json()["error"]
        assert "GENEQUEUE_MAX_BODY_BYTES" in answer.json()["error"]
        assert api.submit(1)


def test_the_wake_up_leaves_once_the_job_is_saved(serve: Serve, redis_url: str) -> None:
    with serve() as api:
        assert sent_messages(redis_url) == 0
        api.submit(1)
        wait_until(lambda: sent_messages(redis_url) > 0)
        assert sent_messages(redis_url) == 1


def test_a_commit_that_fails_gives_a_5xx_and_no_message(serve: Serve, redis_url: str) -> None:
    with serve() as api:
        with transaction(api.engine) as session:
            session.execute(text(REFUSE_AT_COMMIT))
        answer = api.predict(query_of(1))
        assert answer.status_code == 500
        assert set(answer.json()) == {"error", "errors", "code", "request_id"}
        assert "Traceback" not in answer.text
        assert "not today" not in answer.text
        assert count_jobs(api) == 0
    # Stopping the API sends what waits to be sent.
    assert sent_messages(redis_url) == 0


REFUSE_AT_COMMIT = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not today'; END $$;
CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON jobs
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse();
"""


@pytest.mark.parametrize("broker", ["down", "hung"])
def test_a_broker_that_is_away_stops_neither_submitting_nor_reading(serve: Serve, broker: str) -> None:
    """Whoever waited for the one that hangs would wait for five seconds, at each submit."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if broker == "hung":
            listener.listen()  # Connects, and never answers.
        with serve(redis_url=f"redis://127.0.0.1:{listener.getsockname()[1]}/0") as api:
            assert health(api.url, "catalog", "database", "storage").status_code == 200
            began = time.monotonic()
            job_id, *_ = [api.submit(1) for _ in range(12)]
            assert time.monotonic() - began < 40
            assert api.get(f"/api/model-queries/{job_id}/status").json() == {"status": "queued"}
            api.completer.run_all()
            assert api.get(f"/api/model-queries/{job_id}/status").json()["status"] == "ready"
            assert api.get(f"/api/model-queries/{job_id}/result").status_code == 200


def test_a_client_that_goes_away_while_sending_saves_nothing(api: Service) -> None:
    before = count_jobs(api)
    address = urlsplit(api.url)
    with socket.create_connection((address.hostname, address.port)) as connection:
        head = f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.key}\r\n"
        connection.sendall(f"{head}Content-Length: 1000\r\n\r\n{{".encode())
    assert api.get("/health/live").status_code == 200
    assert count_jobs(api) == before
