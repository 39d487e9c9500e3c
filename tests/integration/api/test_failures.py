"""Inputs that failed: listed with their reasons, left out of the result, tried again on their own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import update

from shared.database.engines import transaction
from shared.database.queries.jobs import inputs_of_job
from shared.database.tables import JobInput
from shared.results.specimens import decode_specimens, specimens_key
from tests.integration.api.conftest import Serve
from tests.support import calls
from tests.support.api import Service, background, claim_soon, query_of
from tests.support.catalogs import HEART, LIVER
from tests.support.jobs import read_job

REASON = "The model gave a count that is not a number."


@pytest.fixture(autouse=True)
def clean(api: Service) -> None:
    api.completer.run_all()


def fail_input(api: Service, job_id: UUID, position: int) -> None:
    with transaction(api.engine) as session:
        session.execute(
            update(JobInput)
            .where(JobInput.job_id == job_id, JobInput.position == position)
            .values(error=REASON)
        )


def partly_failed(api: Service) -> UUID:
    """A ready job of two inputs, of one and two samples, the second of which failed."""
    query = query_of(1, 2, seed=5, client_metadata={"run": "1"})
    query["inputs"][1]["metadata"] = {"tissue_ontology_id": HEART}
    job_id = UUID(api.predict(query).json()["modelQueryId"])
    fail_input(api, job_id, 1)
    api.completer.complete(*api.completer.claim(1), lost=2)
    return job_id


def retry(api: Service, job_id: UUID) -> UUID:
    answer = api.call("POST", f"/api/model-queries/{job_id}/retry-failed")
    assert answer.status_code == 202, answer.text
    child = UUID(answer.json()["modelQueryId"])
    assert answer.headers["location"] == f"{api.url}/api/model-queries/{child}"
    return child


def inputs(api: Service, job_id: UUID) -> list[JobInput]:
    with transaction(api.engine) as session:
        return list(session.scalars(inputs_of_job(job_id)))


def test_a_query_that_failed_in_part_is_ready_and_names_what_is_missing(api: Service) -> None:
    job_id = partly_failed(api)
    state = api.get(f"/api/model-queries/{job_id}").json()
    assert (state["status"], state["samples_failed"]) == ("ready", 2)
    assert state["failures"] == [{"path": "inputs[1]", "reason": REASON}]
    outputs = calls.get(api.download_url(job_id)).json()["outputs"]
    assert [output["metadata"]["tissue_ontology_id"] for output in outputs] == [LIVER]


def test_a_self_hosted_call_sees_a_broken_stream_and_never_fewer_rows(api: Service) -> None:
    headers = {"Accept": "application/vnd.apache.arrow.stream"}
    with background(lambda: api.completer.complete(*claim_soon(api.completer, 1), lost=1)):
        answer = api.predict(query_of(3), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (500, "job_failed")
    assert "/result" in answer.json()["error"]


def test_a_retry_is_a_child_of_the_failed_inputs_with_the_same_options(api: Service) -> None:
    job_id = partly_failed(api)
    child = read_job(api.engine, retry(api, job_id))
    parent = read_job(api.engine, job_id)
    (row,) = inputs(api, child.id)
    assert (child.parent_id, child.samples_total, child.seed) == (job_id, 2, 5)
    assert (row.conditions, row.placements) == (
        {"tissue_ontology_id": HEART},
        inputs(api, job_id)[1].placements,
    )
    for name in ("model_id", "model_version", "weights_digest", "total_count", "lane", "client_metadata"):
        assert getattr(child, name) == getattr(parent, name), name
    assert api.get(f"/api/model-queries/{child.id}").json()["parent_id"] == str(job_id)
    api.completer.run_all()
    assert len(calls.get(api.download_url(child.id)).json()["outputs"]) == 2


def test_a_retry_brings_the_counts_of_its_inputs_along(api: Service) -> None:
    vectors = np.random.default_rng(0).integers(0, 1000, (300, 50))
    query = {"inputs": [{"counts": vector} for vector in vectors.tolist()]}
    job_id = UUID(api.predict(query, "gem-1-bulk_predict-metadata").json()["modelQueryId"])
    api.completer.fail(job_id, REASON)
    for position in (3, 255, 256):
        fail_input(api, job_id, position)
    child = retry(api, job_id)
    stored = decode_specimens(api.storage.get(specimens_key(child, 0)), 50)
    assert np.array_equal(stored, vectors[[3, 255, 256]])
    damage = api.storage.get(specimens_key(job_id, 0))
    api.storage.put(specimens_key(job_id, 0), damage[:-1] + b"x")
    refused = api.call("POST", f"/api/model-queries/{job_id}/retry-failed")
    assert (refused.status_code, refused.json()["code"]) == (500, "input_damaged")


def test_a_query_that_failed_as_a_whole_is_tried_again_as_a_whole(api: Service) -> None:
    job_id = api.submit(1, 2)
    api.completer.fail(job_id, REASON)
    assert [row.num_samples for row in inputs(api, retry(api, job_id))] == [1, 2]


def test_without_a_failure_there_is_nothing_to_retry(api: Service) -> None:
    ready, deleted = api.finished(1), partly_failed(api)
    api.call("DELETE", f"/api/model-queries/{deleted}")
    for job_id in (ready, deleted, api.submit(1)):
        answer = api.call("POST", f"/api/model-queries/{job_id}/retry-failed")
        assert (answer.status_code, answer.json()["code"]) == (409, "nothing_to_retry")


def test_a_waiting_query_says_what_is_ahead_of_it_and_when_it_should_end(serve: Serve) -> None:
    with serve() as api:
        first, bulk, last = api.submit(3), api.submit(50, priority="bulk"), api.submit(2)
        path = f"/api/model-queries/{last}"
        assert api.get(path).json()["ahead"] == {"jobs": 1, "samples": 3}
        assert api.get(path).json()["ends_at"] is None  # nothing was measured yet
        later_bulk = api.submit(1, priority="bulk")
        assert api.get(f"/api/model-queries/{later_bulk}").json()["ahead"] == {"jobs": 3, "samples": 55}
        assert api.get(f"/api/model-queries/{bulk}").json()["ahead"] == {"jobs": 1, "samples": 3}
        api.completer.complete(*api.completer.claim(1))
        assert read_job(api.engine, first).state == "ready"
        state = api.get(path).json()
        assert state["ahead"] == {"jobs": 0, "samples": 0}
        assert datetime.fromisoformat(state["ends_at"]) > datetime.now(UTC) - timedelta(minutes=1)
