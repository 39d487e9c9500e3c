"""What a receiver is told is what the API shows, by the same names, and never 20 kB of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest

from api.schemas.jobs import JobBody
from api.services.results import why_ended
from api.services.standing import Failure, Standing
from shared.database.tables import Event, Job
from shared.jobs.states import FINAL_JOB_STATES, JobState
from shared.links import LinkSigner
from shared.storage.reports import report_key
from worker.webhooks.payload import MOST_BYTES, Links, event_payload

NOW = datetime(2030, 1, 31, 18, 0, 0, 250_000, UTC)
LINKS = Links("https://genequeue.example.org", LinkSigner(b"secret", timedelta(hours=1)))
# What is worked out for whoever asks: estimates, and the comparison with the query that is run again.
ESTIMATES = {"waiting_for", "ahead", "ends_at", "reproduces"}
COVERED = {
    "field": "tissue_ontology_id",
    "value": "UBERON:0001115",
    "label": "left lobe of liver",
    "coverage": "ancestor",
    "terms": [{"id": "UBERON:0002107", "label": "liver"}],
    "distance": 2,
    "inputs": 1,
    "path": "inputs[0].metadata.tissue_ontology_id",
}


def job_of(**columns: Any) -> Job:
    values = {
        "id": UUID(int=7),
        "model_id": "gem-1-bulk",
        "model_version": 2,
        "state": "ready",
        "request_type": "baseline",
        "sampling_strategy": "mean estimation",
        "total_count": 10_000_000,
        "deterministic_latents": False,
        "conditioning": [],
        "fixed_total_count": False,
        "seed": (1 << 63) - 1,
        "source": "R",
        "lane": "interactive",
        "deadline": None,
        "client_metadata": {"plate": "7"},
        "parent_id": None,
        "samples_total": 8,
        "samples_done": 5,
        "samples_failed": 3,
        "warnings": ["a warning"],
        "coverage": [COVERED],
        "error": None,
        "events": 6,
        "created_at": NOW,
        "started_at": NOW + timedelta(seconds=1),
        "finished_at": NOW + timedelta(seconds=2),
        "expires_at": NOW + timedelta(days=1),
        "deleted_at": None,
    }
    return Job(**values | columns)


def told(job: Job, failures: list[tuple[int, str | None]] | None = None, **data: Any) -> tuple[int, Any]:
    """How large the body is, and what it says."""
    event = Event(job_id=job.id, number=5, kind="query.progress", data=data, created_at=NOW)
    body = event_payload(event, job, failures or [], LINKS)
    return len(body), orjson.loads(body)


@pytest.mark.parametrize("state", JobState)
def test_data_is_what_the_api_shows_of_the_job_without_estimates(state: JobState) -> None:
    """By the very names and values: an option that the API shows and the payload does not fails this."""
    job = job_of(state=state, error="It failed." if state is JobState.FAILED else None)
    error = why_ended(job) if state in FINAL_JOB_STATES - {JobState.READY} else None
    standing = Standing(failures=(Failure("inputs[3]", "It has no samples."),))
    shown = JobBody.of(job, standing, error, LINKS.of(job)).model_dump(mode="json", exclude=ESTIMATES)
    _, payload = told(job, [(3, "It has no samples.")])
    assert payload["data"].keys() - shown.keys() == {"sequence", "event"}
    assert {name: payload["data"][name] for name in shown} == shown


def test_it_says_what_happened_when_and_how_far_the_job_is_by_now() -> None:
    _, payload = told(job_of(), samples_done=4)
    assert (payload["type"], payload["timestamp"]) == ("query.progress", "2030-01-31T18:00:00.250000Z")
    assert payload["data"]["sequence"] == 6
    assert payload["data"]["event"] == {"number": 5, "kind": "query.progress", "data": {"samples_done": 4}}


def test_a_deleted_job_says_that_its_owner_wished_it() -> None:
    job = job_of(state=JobState.EXPIRED, deleted_at=NOW)
    assert (
        told(job)[1]["data"]["error"]
        == why_ended(job)
        == "It was deleted at its owner's wish, with its inputs."
    )


def test_lists_are_cut_to_the_size_from_their_end_and_it_is_said_how_much_is_missing() -> None:
    coverage = [{**COVERED, "path": str(number)} for number in range(1_000)] + [{"left_out": 50}]
    warnings = [f"{number}: {'w' * 90}" for number in range(100)]
    failures: list[tuple[int, str | None]] = [(number, "f" * 300) for number in range(100)]
    size, payload = told(job_of(coverage=coverage, warnings=warnings), failures)
    assert MOST_BYTES / 4 < size <= MOST_BYTES
    data = payload["data"]
    assert 0 < len(data["coverage"]) == 1_050 - data["left_out"]["coverage"]
    assert data["coverage"] == coverage[: len(data["coverage"])]
    assert len(data["warnings"]) == 100 - data["left_out"]["warnings"]
    assert len(data["failures"]) == 100 - data["left_out"]["failures"]
    assert data["client_metadata"] == {"plate": "7"}


@pytest.mark.parametrize("letter", ["x", "\N{DNA DOUBLE HELIX}", "\x01", '"'])
@pytest.mark.parametrize(
    "columns",
    [
        {"client_metadata": {}},
        {"client_metadata": {"k" * 100: 1_000}},
        {"error": 100_000, "state": "failed"},
        {"source": 100_000},
    ],
)
def test_nothing_makes_it_larger(letter: str, columns: dict[str, Any]) -> None:
    """Not what a query brings along, and not what costs six bytes a letter in JSON."""
    large: dict[str, Any] = {name: _long(value, letter) for name, value in columns.items()}
    metadata = {f"{letter}{number}": letter * 1_000 for number in range(50)}
    for given in (large, {"client_metadata": metadata, **large, "source": letter * 50_000}):
        size, payload = told(job_of(**given), detail=letter * 30_000)
        assert size <= MOST_BYTES
        assert payload["data"]["links"]["self"].endswith(str(UUID(int=7)))


def _long(value: Any, letter: str) -> Any:
    match value:
        case int():
            return letter * value
        case dict():
            return {key: letter * size for key, size in value.items()}
    return value


def test_a_query_with_bad_rows_says_how_many_and_where_they_are_listed() -> None:
    rejected = {"rows": 2, "report": report_key(UUID(int=7)), "first": []}
    _, payload = told(job_of(rejected=rejected))
    assert payload["data"]["rejected_rows"] == 2
    assert str(UUID(int=7)) in payload["data"]["links"]["report"]
