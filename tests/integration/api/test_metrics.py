"""`GET /metrics`: figures off the rows and of the requests, to those who may read them."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.api.conftest import Serve
from tests.support import calls
from tests.support.api import Service, query_of, serving, settings_for
from tests.support.processes import wait_until


def figures(url: str) -> dict[tuple[str, ...], float]:
    answer = calls.get(f"{url}/metrics")
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_what_waits_is_read_off_the_rows(serve: Serve) -> None:
    with serve() as api:
        queued = (
            "genequeue_open_samples",
            "lane=interactive",
            "model=gem-1-bulk",
            "state=queued",
            "version=1",
        )
        assert figures(api.url)[queued] == 0
        api.submit(6)
        shown = figures(api.url)
        assert shown[queued] == 6
        assert shown[("genequeue_open_chunks", *queued[1:])] == 2
        assert (
            shown[("genequeue_oldest_queued_seconds", "lane=interactive", "model=gem-1-bulk", "version=1")]
            > 0
        )
        assert shown[("genequeue_open_jobs", "model=gem-1-bulk", "state=queued")] == 1
        assert shown[("genequeue_live_workers",)] == shown[("genequeue_live_upkeep",)] == 0
        assert shown[("genequeue_rows_readable",)] == 1


def test_requests_are_counted_by_template_and_submits_by_outcome(api: Service) -> None:
    route = ("method=POST", "route=/api/models/{model_id}/predict")
    accepted = ("genequeue_submits_total", "outcome=accepted")
    rejected = ("genequeue_submits_total", "outcome=rejected")
    before = figures(api.url)
    api.submit(1)
    assert api.predict(query_of(0)).status_code == 422
    assert api.get("/api/nothing/here").status_code == 404
    after: dict[tuple[str, ...], float] = {}

    def more(*key: str) -> float:
        return after.get(key, 0) - before.get(key, 0)

    def counted() -> bool:
        after.update(figures(api.url))  # a request is counted once its answer is on its way
        nowhere = "method=GET", "route=none", "status=404"
        return bool(more("genequeue_request_seconds_count", *nowhere) and more(*rejected) and more(*accepted))

    wait_until(counted)
    assert more("genequeue_request_seconds_count", *route, "status=202") == 1
    assert more("genequeue_request_seconds_count", *route, "status=422") == 1
    assert more("genequeue_request_seconds_count", "method=GET", "route=none", "status=404") == 1
    assert (more(*accepted), more(*rejected)) == (1, 1)
    assert not any("/api/nothing" in label for key in after for label in key)


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
def test_a_caller_behind_a_proxy_is_refused_unless_the_operator_says_otherwise(
    header: str, serve: Serve
) -> None:
    with serve() as api:
        refused = calls.get(f"{api.url}/metrics", headers={header: "10.0.0.1"})
        assert refused.status_code == 403
        assert "GENEQUEUE_METRICS=on" in refused.json()["error"]
    with serve(metrics="on") as api:
        assert calls.get(f"{api.url}/metrics", headers={header: "10.0.0.1"}).status_code == 200


def test_switched_off_there_is_nothing(serve: Serve) -> None:
    with serve(metrics="off") as api:
        assert calls.get(f"{api.url}/metrics").status_code == 404


def test_without_a_database_it_answers_and_says_so(models_dir: Path, tmp_path: Path) -> None:
    settings = settings_for(
        database_url="postgresql://nobody:nothing@127.0.0.1:1/none",
        redis_url="redis://127.0.0.1:1/0",
        storage_url=f"file://{tmp_path}/objects",
        models_dir=models_dir,
    )
    with serving(settings) as url:
        shown = figures(url)
    assert shown[("genequeue_rows_readable",)] == 0
    assert not any(name.startswith("genequeue_open") for name, *_ in shown)
    assert shown[("process_resident_memory_bytes",)] > 0


def test_the_request_id_of_a_submit_travels_with_its_job(api: Service) -> None:
    answer = api.predict(query_of(1), headers={"X-Request-ID": "trace-42"})
    job = answer.json()["modelQueryId"]
    with api.engine.connect() as connection:
        row = connection.exec_driver_sql("SELECT request_id FROM jobs WHERE id = %s", (job,)).one()
    assert row == ("trace-42",)
