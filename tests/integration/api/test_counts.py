"""Queries that bring counts along: what is stored of them, how they are answered, what is refused."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy import text

from shared.database.engines import transaction
from shared.results.specimens import decode_specimens, specimens_key, specimens_prefix
from tests.integration.api.conftest import Serve
from tests.support import calls
from tests.support.api import Service
from tests.support.jobs import read_chunks, read_job

NEAR, WHAT = "gem-1-bulk_reference-conditioning", "gem-1-bulk_predict-metadata"
GENES = 50


def counts_of(number: int, genes: int = GENES) -> list[list[int]]:
    random = np.random.default_rng(number)
    vectors: list[list[int]] = random.integers(0, 100_000, (number, genes)).tolist()
    return vectors


def reference(counts: list[int], **more: Any) -> dict[str, Any]:
    inputs = [{"metadata": {}, "num_samples": 3, "counts": counts}]
    return {"sampling_strategy": "mean estimation", "inputs": inputs, **more}


def submitted(api: Service, query: Any, model_id: str) -> UUID:
    answer = api.predict(query, model_id)
    assert answer.status_code == 202, answer.text
    return UUID(answer.json()["modelQueryId"])


def test_the_counts_lie_in_the_storage_and_only_their_digests_in_the_row(api: Service) -> None:
    vectors = counts_of(300)
    job_id = submitted(api, {"inputs": [{"counts": vector} for vector in vectors]}, WHAT)
    keys = api.storage.keys(specimens_prefix(job_id))
    assert keys == [specimens_key(job_id, first) for first in (0, 256)]
    stored = [decode_specimens(api.storage.get(key), GENES) for key in keys]
    assert np.array_equal(np.concatenate(stored), np.array(vectors))
    job = read_job(api.engine, job_id)
    assert (len(job.input_digests), job.samples_total, job.request_type) == (2, 300, "predict_metadata")


def test_a_baseline_query_stores_nothing(api: Service) -> None:
    assert api.storage.keys(specimens_prefix(api.submit(3))) == []


def test_a_job_and_its_chunks_carry_the_public_id_and_what_was_chosen(api: Service) -> None:
    query = reference(counts_of(1)[0], conditioning="technical", fixed_total_count=True, total_count=77)
    job_id = submitted(api, query, NEAR)
    job = read_job(api.engine, job_id)
    assert (job.model_id, job.conditioning, job.fixed_total_count, job.total_count) == (
        NEAR,
        ["technical"],
        True,
        77,
    )
    assert {chunk.model_id for chunk in read_chunks(api.engine, job_id)} == {NEAR}
    shown = api.get(f"/api/model-queries/{job_id}").json()
    assert (shown["request_type"], shown["model_id"]) == ("reference_conditioned", NEAR)
    assert (shown["conditioning"], shown["fixed_total_count"]) == (["technical"], True)


def test_what_has_no_effect_is_said_in_the_warnings_of_the_job(api: Service) -> None:
    job_id = submitted(api, reference(counts_of(1)[0], total_count=77), NEAR)
    (warning,) = api.get(f"/api/model-queries/{job_id}").json()["warnings"]
    assert warning.startswith("total_count: it has no effect")


def test_a_prediction_is_read_in_every_form(api: Service) -> None:
    job_id = submitted(api, {"inputs": [{"counts": vector} for vector in counts_of(5)]}, WHAT)
    api.completer.run_all()
    route = f"/api/model-queries/{job_id}/result"
    by_link = json.loads(calls.get(api.download_url(job_id)).content)
    assert api.get(route, params={"format": "json"}).json() == by_link
    assert [row["metadata"]["sex"] for row in by_link["outputs"]] == ["male", "female"] * 2 + ["male"]
    table = pa.ipc.open_stream(api.get(route).content).read_all()
    assert table.schema.metadata[b"request_type"] == b"predict_metadata"
    assert table.schema.metadata[b"model_id"] == WHAT.encode()
    assert table.column("decoder_sample").to_pylist() == [row["decoder_sample"] for row in by_link["outputs"]]


def test_every_fault_of_counts_is_reported_at_its_place(api: Service) -> None:
    good = counts_of(1)[0]
    inputs = [{"counts": vector} for vector in (good, good[:-1], [-1, *good[1:]], [0] * GENES)]
    answer = api.predict({"inputs": inputs, "conditioning": ["technical"]}, WHAT)
    assert answer.status_code == 422
    faults = {fault["path"]: fault["message"] for fault in answer.json()["errors"]}
    assert faults.keys() == {"conditioning", *(f"inputs[{index}].counts" for index in (1, 2, 3))}
    assert f"/api/models/{WHAT}/genes" in faults["inputs[1].counts"]
    assert api.get(f"/api/models/{WHAT}/genes").status_code == 200


def test_256_samples_of_the_starter_models_fit_into_a_body(serve: Serve) -> None:
    """30 MB of JSON: the limit of the body is ten times that, and only the length of each is at fault."""
    query = json.dumps({"inputs": [{"counts": vector} for vector in counts_of(256, 23_750)]})
    assert len(query) > 30_000_000
    with serve() as api:
        answer = api.call("POST", f"/api/models/{WHAT}/predict", content=query)
    assert answer.status_code == 422
    assert "23,750 counts are sent" in answer.json()["errors"][0]["message"]


def test_a_pinned_version_answers_or_is_refused_at_its_path(api: Service) -> None:
    query = reference(counts_of(1)[0])
    job_id = submitted(api, query | {"model_version": 1.0}, NEAR)
    assert read_job(api.engine, job_id).model_version == 1
    answer = api.predict(query | {"model_version": 9}, NEAR)
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert fault["path"] == "model_version"
    assert "9" in fault["message"]


def test_a_storage_that_is_away_refuses_the_query_and_saves_no_job(serve: Serve) -> None:
    with serve(storage_url="s3://nowhere?endpoint=http://127.0.0.1:9") as api:
        answer = api.predict(reference(counts_of(1)[0]), NEAR)
        assert answer.status_code == 503
        assert "storage" in answer.json()["error"]
        with transaction(api.engine) as session:
            assert session.execute(text("SELECT count(*) FROM jobs")).scalar_one() == 0


@pytest.mark.parametrize(
    "body", [b'{"inputs": [{"counts": [1, NaN]}]}', b'{"inputs": [{"counts": [1e999]}]}']
)
def test_numbers_that_json_does_not_have_are_refused(api: Service, body: bytes) -> None:
    answer = api.call("POST", f"/api/models/{WHAT}/predict", content=body)
    assert answer.status_code in {400, 422}
    assert answer.json()["error"]
