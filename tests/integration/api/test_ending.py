"""Cancelling and deleting: at once, once, and without touching what is over or was finished."""

from __future__ import annotations

import io
from uuid import UUID

import pyarrow as pa
import pytest
from sqlalchemy.exc import NoResultFound

from shared.database.engines import transaction
from shared.database.queries.jobs import inputs_of_job
from shared.database.queries.leases import renew
from shared.results.manifest import result_prefix
from shared.results.specimens import specimens_prefix
from tests.support.api import Service
from tests.support.jobs import read_chunks, read_events, read_job

CANCELLED = "query.cancelled"


@pytest.fixture(autouse=True)
def clean(api: Service) -> None:
    api.completer.run_all()


def cancel(api: Service, job_id: UUID) -> dict[str, object]:
    answer = api.call("POST", f"/api/model-queries/{job_id}/cancel")
    assert answer.status_code == 200, answer.text
    body: dict[str, object] = answer.json()
    return body


def chunk_states(api: Service, job_id: UUID) -> list[str]:
    return [chunk.state for chunk in read_chunks(api.engine, job_id)]


def test_a_queued_query_is_cancelled_at_once_and_never_claimed(api: Service) -> None:
    job_id = api.submit(8)
    assert cancel(api, job_id)["status"] == "cancelled"
    assert chunk_states(api, job_id) == ["cancelled", "cancelled"]
    assert [event.kind for event in read_events(api.engine, job_id)] == ["query.queued", CANCELLED]
    assert api.completer.claim(10) == []
    status = api.get(f"/api/model-queries/{job_id}/status").json()
    assert status == {"status": "failed", "message": "It was cancelled."}


def test_a_worker_finds_its_lease_gone(api: Service) -> None:
    job_id = api.submit(4)
    (chunk,) = api.completer.claim(1)
    cancel(api, job_id)
    assert chunk.token is not None
    with transaction(api.engine) as session:
        assert session.scalars(*renew([(chunk.id, chunk.token)], api.settings.link_lifetime)).all() == []
    with pytest.raises(NoResultFound):
        api.completer.complete(chunk)
    (row,) = read_chunks(api.engine, job_id)
    assert (row.state, row.owner, row.lease_expires_at) == ("cancelled", None, None)


def test_cancelling_twice_or_after_the_end_changes_nothing(api: Service) -> None:
    ready, failed, cancelled = api.finished(1), api.submit(1), api.submit(1)
    api.completer.fail(failed, "It broke.")
    cancel(api, cancelled)
    for job_id, state in ((ready, "ready"), (failed, "failed"), (cancelled, "cancelled")):
        before = read_job(api.engine, job_id)
        assert cancel(api, job_id)["status"] == state
        after = read_job(api.engine, job_id)
        assert (after.events, after.finished_at) == (before.events, before.finished_at)
    assert api.get(f"/api/model-queries/{ready}/result").status_code == 200


def test_the_finished_parts_of_a_cancelled_query_are_sent_to_whoever_asks_for_them(api: Service) -> None:
    job_id = api.submit(10)
    first, _, _ = api.completer.claim(3)
    api.completer.complete(first)
    body = cancel(api, job_id)
    refused = api.get(f"/api/model-queries/{job_id}/result")
    assert refused.status_code == 409
    assert "4 of 10 samples" in refused.json()["error"]
    links = body["links"]
    assert isinstance(links, dict)
    answer = api.get(links["partial_result"].removeprefix(api.url))
    assert pa.ipc.open_stream(io.BytesIO(answer.content)).read_all().num_rows == 4
    nothing = api.submit(1)
    cancel(api, nothing)
    assert api.get(f"/api/model-queries/{nothing}/result?partial=true").status_code == 409


def test_what_is_done_of_a_query_that_still_runs_is_sent_to_whoever_asks_for_it(api: Service) -> None:
    job_id = api.submit(8)
    first, _ = api.completer.claim(2)
    api.completer.complete(first)
    assert api.get(f"/api/model-queries/{job_id}/result").status_code == 409
    answer = api.get(f"/api/model-queries/{job_id}/result?partial=true")
    table = pa.ipc.open_stream(io.BytesIO(answer.content)).read_all()
    assert table.num_rows == first.num_samples


def test_deleting_removes_result_and_inputs_and_leaves_a_tombstone(api: Service) -> None:
    job_id = api.finished(5)
    link = api.download_url(job_id).removeprefix(api.url)
    api.storage.put(f"{specimens_prefix(job_id)}/counts-000000.parquet", b"counts")
    for _ in range(2):
        assert api.call("DELETE", f"/api/model-queries/{job_id}").status_code == 204
        assert api.storage.keys(result_prefix(job_id)) == api.storage.keys(specimens_prefix(job_id)) == []
        with transaction(api.engine) as session:
            assert session.scalars(inputs_of_job(job_id)).all() == []
        state = api.get(f"/api/model-queries/{job_id}").json()
        assert state["status"] == "expired"
        assert "deleted" in state["error"]
        for path in (f"/api/model-queries/{job_id}/result", link):
            gone = api.get(path)
            assert gone.status_code == 410
            assert gone.json()["code"] == "result_gone"
            assert "deleted" in gone.json()["error"]
    assert [event.data for event in read_events(api.engine, job_id)][-1] == {"deleted": True}


def test_deleting_a_running_query_cancels_it_first(api: Service) -> None:
    job_id = api.submit(8)
    api.completer.claim(1)
    assert api.call("DELETE", f"/api/model-queries/{job_id}").status_code == 204
    assert chunk_states(api, job_id) == ["cancelled", "cancelled"]
    kinds = [event.kind for event in read_events(api.engine, job_id)]
    assert kinds[-2:] == [CANCELLED, "query.expired"]


def test_nobody_ends_the_query_of_another_workspace(api: Service) -> None:
    job_id, other = api.submit(1), api.new_key("other")
    assert api.call("POST", f"/api/model-queries/{job_id}/cancel", key=other).status_code == 404
    assert api.call("DELETE", f"/api/model-queries/{job_id}", key=other).status_code == 404
    assert read_job(api.engine, job_id).state == "queued"
