"""How a job is shown: exactly what the public clients read, and the full state beside it."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, update

from shared.database.engines import transaction
from shared.database.queries.ending import cancel_queued_chunks
from shared.database.queries.workers import announce, retire
from shared.database.tables import Job, Worker
from shared.jobs.states import JobState
from tests.integration.api.conftest import Serve
from tests.support.api import Service
from tests.support.catalogs import LIVER


def status(api: Service, job_id: UUID) -> dict[str, str]:
    answer = api.get(f"/api/model-queries/{job_id}/status")
    assert answer.status_code == 200
    content: dict[str, str] = answer.json()
    return content


def end_as(api: Service, job_id: UUID, state: JobState) -> None:
    with transaction(api.engine) as session:
        session.execute(cancel_queued_chunks({job_id}))
        session.execute(
            update(Job).where(Job.id == job_id).values(state=state, finished_at=Job.created_at, error=None)
        )


def test_the_status_holds_nothing_but_what_the_clients_read(api: Service) -> None:
    job_id = api.submit(8)
    assert status(api, job_id) == {"status": "queued"}
    first, second = api.completer.claim(2)
    assert status(api, job_id) == {"status": "running"}
    api.completer.complete(first)
    assert status(api, job_id) == {"status": "running"}
    api.completer.complete(second)
    ready = status(api, job_id)
    assert ready.keys() == {"status", "downloadUrl"}
    assert ready["status"] == "ready"
    assert ready["downloadUrl"].startswith(f"{api.url}/api/downloads/{job_id}?")


def test_a_failed_job_says_why(api: Service) -> None:
    job_id = api.submit(1)
    api.completer.fail(job_id, "The model gave a count that is not a number.")
    assert status(api, job_id) == {
        "status": "failed",
        "message": "The model gave a count that is not a number.",
    }


def test_cancelled_and_expired_jobs_end_the_clients_wait_as_failed(api: Service) -> None:
    for state in (JobState.CANCELLED, JobState.EXPIRED):
        job_id = api.submit(1)
        end_as(api, job_id, state)
        content = status(api, job_id)
        assert content["status"] == "failed"
        assert content["message"]
        assert api.get(f"/api/model-queries/{job_id}").json()["status"] == state


def test_the_full_state_counts_samples(api: Service) -> None:
    job_id = api.submit(6)
    first, _ = api.completer.claim(2)
    api.completer.complete(first)
    state = api.get(f"/api/model-queries/{job_id}").json()
    assert state["progress"] == {"samples_done": 4, "samples_total": 6, "percent": 66.7}
    assert (state["id"], state["model_id"], state["model_version"]) == (str(job_id), "gem-1-bulk", 1)
    assert state["started_at"] is not None
    assert state["finished_at"] is None
    api.completer.run_all()


def test_the_links_of_a_ready_job_lead_where_they_say(api: Service) -> None:
    links = api.get(f"/api/model-queries/{api.finished(1)}").json()["links"]
    always = {"self", "status", "events", "parts"}
    assert links.keys() == always | {"result", "manifest", "summary", "artifacts", "download"}
    for name, link in links.items():
        answer = api.get(link.removeprefix(api.url), headers={"Prefer": "wait=0"})
        # Nobody is here to make a summary.
        assert answer.status_code == (202 if name == "summary" else 200)


def hold(api: Service, models: dict[str, list[int]]) -> None:
    """A worker says what it holds; it is heard of for an hour."""
    with transaction(api.engine) as session:
        session.execute(announce("w", "host", 1, "cpu", models))
        session.execute(update(Worker).values(seen_at=func.now() + timedelta(hours=1)))


def test_a_job_that_nobody_can_run_says_what_is_missing(api: Service) -> None:
    job_id = api.submit(1)

    def waiting_for() -> str:
        reason: str = api.get(f"/api/model-queries/{job_id}").json()["waiting_for"]
        return reason

    assert "No generation worker is alive" in waiting_for()
    hold(api, {"gem-1-sc": [1]})
    assert "No live worker holds version 1 of gem-1-bulk" in waiting_for()
    hold(api, {"gem-1-sc": [1], "gem-1-bulk": [1]})
    assert waiting_for() == "It waits for its turn."
    api.completer.claim(1)
    assert waiting_for() is None
    with transaction(api.engine) as session:
        session.execute(retire("w"))


def test_the_download_link_is_absolute_for_the_public_address(serve: Serve) -> None:
    with serve(public_url="https://genes.example.org/queue/") as api:
        link = api.download_url(api.finished(1))
        assert link.startswith("https://genes.example.org/queue/api/downloads/")
        path = link.removeprefix("https://genes.example.org/queue")
        assert api.get(path).json()["outputs"][0]["metadata"]["tissue_ontology_id"] == LIVER
