"""Running a query again, to see whether it is answered alike; and large queries, whose inputs are no rows."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import text, update

from shared.database.engines import transaction
from shared.database.tables import Chunk, Job, JobInput
from shared.results.specimens import decode_specimens, specimens_key, specimens_prefix
from shared.sheets.sheet import decode_sheet
from tests.support.api import Service
from tests.support.jobs import conditions, read_chunks, read_job, save_job
from worker.generation.retention import expire_results


@pytest.fixture(autouse=True)
def clean(api: Service) -> None:
    api.completer.run_all()


def large(api: Service, *sizes: int, **columns: Any) -> UUID:
    """A queued query whose conditions lie in sheets."""
    digest = read_job(api.engine, api.submit(1)).weights_digest
    api.completer.run_all()
    return save_job(api.engine, sizes, sheets=api.storage, weights_digest=digest, **columns)


def again(api: Service, job_id: UUID) -> UUID:
    answer = api.call("POST", f"/api/model-queries/{job_id}/reproduce")
    assert answer.status_code == 202, answer.text
    copy = UUID(answer.json()["modelQueryId"])
    assert answer.headers["location"] == f"{api.url}/api/model-queries/{copy}"
    return copy


def refusal(api: Service, job_id: UUID) -> str:
    answer = api.call("POST", f"/api/model-queries/{job_id}/reproduce")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_reproducible")
    sentence: str = answer.json()["error"]
    return sentence


def reproduces(api: Service, job_id: UUID) -> dict[str, Any]:
    body: dict[str, Any] = api.get(f"/api/model-queries/{job_id}").json()["reproduces"]
    return body


def change(api: Service, job_id: UUID, **values: Any) -> None:
    """Change the last chunk of a job."""
    last = read_chunks(api.engine, job_id)[-1].id
    with transaction(api.engine) as session:
        session.execute(update(Chunk).where(Chunk.id == last).values(**values))


def expire(api: Service, job_id: UUID) -> None:
    with transaction(api.engine) as session:
        session.execute(
            text("UPDATE jobs SET expires_at = now() - interval '1 s' WHERE id = :id"), {"id": job_id}
        )
    while expire_results(api.engine, api.storage):
        pass


def test_a_query_runs_again_as_it_was_and_says_that_the_answers_are_equal(api: Service) -> None:
    original = api.finished(3, 30, seed=5, client_metadata={"run": "1"}, total_count=5_000)
    copy = again(api, original)
    assert reproduces(api, copy) == {
        "query": str(original),
        "state": "running",
        "parts": 0,
        "different_parts": 0,
        "note": None,
    }
    one, other = (read_job(api.engine, job_id) for job_id in (original, copy))
    same = (
        "seed",
        "model_version",
        "total_count",
        "client_metadata",
        "query_digest",
        "samples_total",
        "lane",
    )
    assert [getattr(one, name) for name in same] == [getattr(other, name) for name in same]
    api.completer.run_all()
    parts = len(read_chunks(api.engine, original))
    assert reproduces(api, copy) == {
        "query": str(original),
        "state": "same",
        "parts": parts,
        "different_parts": 0,
        "note": None,
    }
    assert reproduces(api, original) is None


def test_another_answer_is_counted_and_another_device_is_said(api: Service) -> None:
    original = api.finished(30)
    copy = again(api, original)
    api.completer.run_all()
    change(api, copy, part_sha256="0" * 64, part_key="gone", device="cuda:0")
    found = reproduces(api, copy)
    assert (found["state"], found["different_parts"]) == ("different", 1)
    assert "computed on cpu, this on cpu and cuda:0" in found["note"] or "on cuda:0" in found["note"]


@pytest.mark.parametrize("equal", [True, False])
def test_rows_are_compared_where_a_chunk_was_cut_further(api: Service, equal: bool) -> None:
    """As one is that took its worker down."""
    original = save_job(api.engine, [1] * 6, per_chunk=6)
    copy = save_job(api.engine, [1] * 6, per_chunk=2, reproduces_id=original)
    api.completer.run_all()
    if not equal:
        chunk = read_chunks(api.engine, copy)[1]
        swapped = read_chunks(api.engine, copy)[0]
        api.storage.put(chunk.part_key or "", api.storage.get(swapped.part_key or ""))
    found = reproduces(api, copy)
    assert (found["state"], found["parts"]) == ("same" if equal else "different", 1)
    api.storage.delete([each.part_key or "" for each in read_chunks(api.engine, original)])
    found = reproduces(api, copy)
    assert found["state"] == "unknown"
    assert "cut otherwise" in found["note"]


def test_a_large_query_runs_again_with_its_own_copy_of_its_conditions(api: Service) -> None:
    original = large(api, *[2] * 5, per_chunk=3)
    api.completer.run_all()
    copy = again(api, original)
    api.call("DELETE", f"/api/model-queries/{original}")
    sheets = read_job(api.engine, copy).sheets
    rows = [row for sheet in sheets for row in decode_sheet(api.storage.get(sheet["key"]))]
    assert rows == conditions([2] * 5)
    api.completer.run_all()
    assert reproduces(api, copy)["state"] == "same"


def test_counts_that_inputs_brought_along_go_with_them(api: Service) -> None:
    vectors = np.random.default_rng(0).integers(0, 1000, (3, 50))
    query = {"inputs": [{"counts": vector} for vector in vectors.tolist()]}
    original = UUID(api.predict(query, "gem-1-bulk_predict-metadata").json()["modelQueryId"])
    api.completer.run_all()
    copy = again(api, original)
    assert np.array_equal(decode_specimens(api.storage.get(specimens_key(copy, 0)), 50), vectors)
    damaged = api.storage.get(specimens_key(original, 0))[:-1] + b"x"
    api.storage.put(specimens_key(original, 0), damaged)
    answer = api.call("POST", f"/api/model-queries/{original}/reproduce")
    assert (answer.status_code, answer.json()["code"]) == (500, "input_damaged")


def test_a_query_without_a_result_is_not_run_again(api: Service) -> None:
    queued, failed = api.submit(1), api.submit(1)
    api.completer.fail(failed, "It broke.")
    assert "once it is ready" in refusal(api, queued)
    assert "ended as failed" in refusal(api, failed)


def test_an_expired_query_runs_again_only_where_its_inputs_are_still_there(api: Service) -> None:
    small, big = api.finished(2), large(api, 2, 2)
    api.completer.run_all()
    expire(api, small)
    expire(api, big)
    copy = again(api, small)
    api.completer.run_all()
    assert reproduces(api, copy)["state"] == "same", "digests outlast their parts"
    assert "were deleted with its result" in refusal(api, big)


def test_a_deleted_query_is_not_run_again(api: Service) -> None:
    job_id = api.finished(2)
    api.call("DELETE", f"/api/model-queries/{job_id}")
    assert "were deleted with its result" in refusal(api, job_id)


def test_a_query_of_a_model_that_is_not_here_any_more_is_refused(api: Service) -> None:
    job_id = api.finished(2)
    with transaction(api.engine) as session:
        session.execute(update(Job).where(Job.id == job_id).values(weights_digest="0" * 64))
    assert "is not on this server any more" in refusal(api, job_id)


def test_the_failed_inputs_of_a_large_query_are_tried_again(api: Service) -> None:
    job_id = large(api, 1, 2, 1)
    (lost,) = [row for row in conditions([1, 2, 1]) if row.position == 1]
    api.completer.run_all()
    row = {"tissue_ontology_id": {"coverage": "exact", "terms": ["UBERON:0002107"], "distance": 0}}
    with transaction(api.engine) as session:
        session.add(
            JobInput(
                job_id=job_id,
                position=1,
                first_sample=1,
                num_samples=2,
                conditions=dict(lost.metadata),
                placements=row,
                custom_id="mine",
                error="The model gave negative counts.",
            )
        )
    answer = api.call("POST", f"/api/model-queries/{job_id}/retry-failed")
    child = read_job(api.engine, UUID(answer.json()["modelQueryId"]))
    assert (child.samples_total, child.sheets, child.custom_ids) == (2, [], True)


def test_a_large_query_that_failed_as_a_whole_is_tried_again_as_a_whole(api: Service) -> None:
    job_id = large(api, 1, 2, 1, 4)
    api.completer.fail(job_id, "It was late.")
    answer = api.call("POST", f"/api/model-queries/{job_id}/retry-failed")
    child = read_job(api.engine, UUID(answer.json()["modelQueryId"]))
    assert (child.parent_id, child.reproduces_id, child.samples_total) == (job_id, None, 8)
    assert len(api.storage.keys(specimens_prefix(child.id))) == 2
    api.completer.run_all()
    assert read_job(api.engine, child.id).state == "ready"


def test_deleting_a_large_query_removes_its_sheets_and_failures(api: Service) -> None:
    job_id = large(api, 1, 2, 1)
    api.call("DELETE", f"/api/model-queries/{job_id}")
    assert api.storage.keys(specimens_prefix(job_id)) == []
