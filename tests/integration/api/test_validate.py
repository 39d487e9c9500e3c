"""Checking a query: everything that predict would say of it, what it will cost, and nothing saved."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text, update

from shared.database.engines import transaction
from shared.database.tables import Job
from shared.queries.requests import RequestType
from tests.integration.api.conftest import Serve
from tests.support.api import Service, query_of
from tests.support.catalogs import LIVER, LOBE_OF_LIVER
from tests.support.jobs import read_job

CYCLOHEXIMIDE = "CHEBI:27641"


def validate(api: Service, query: Any, model_id: str = "gem-1-bulk") -> Any:
    answer = api.call("POST", f"/api/models/{model_id}/validate", json=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def finish_in(api: Service, job_id: UUID, took: timedelta) -> None:
    """Have a ready job look as if it had taken that long."""
    with transaction(api.engine) as session:
        session.execute(update(Job).where(Job.id == job_id).values(started_at=Job.finished_at - took))


def rows(api: Service) -> int:
    with transaction(api.engine) as session:
        tables = "jobs", "job_inputs", "chunks", "events"
        return sum(session.scalars(text(f"SELECT count(*) FROM {name}")).one() for name in tables)


def test_a_valid_query_is_summed_up_and_leaves_nothing_behind(api: Service) -> None:
    before = rows(api)
    query = query_of(3, 2, total_count=5000)
    query["inputs"][1]["metadata"] = {"tissue_ontology_id": LOBE_OF_LIVER, "age_years": 60}
    said = validate(api, query)
    assert said["valid"] is True
    assert (said["model_id"], said["model_version"], said["total_count"]) == ("gem-1-bulk", 1, 5000)
    assert (said["inputs"], said["samples"]) == (2, 5)
    assert (said["estimate"]["rows"], said["estimate"]["chunks"]) == (5, 2)
    assert [(value["field"], value["coverage"]) for value in said["coverage"]] == [
        ("tissue_ontology_id", "ancestor"),
        ("age_years", "not informative"),
        ("tissue_ontology_id", "exact"),
    ]
    assert said["coverage"][0]["terms"] == [{"id": LIVER, "label": "liver"}]
    assert rows(api) == before


def test_it_says_what_predict_keeps_with_the_job(api: Service) -> None:
    query = query_of(1)
    query["inputs"][0]["metadata"]["tissue_ontology_id"] = LOBE_OF_LIVER
    said = validate(api, query)
    job_id = api.predict(query).json()["modelQueryId"]
    kept = api.get(f"/api/model-queries/{job_id}").json()
    assert (kept["coverage"], kept["warnings"]) == (said["coverage"], said["warnings"])
    assert read_job(api.engine, UUID(job_id)).coverage == said["coverage"]


def test_an_unknown_perturbation_is_said_to_have_no_effect_before_and_after(api: Service) -> None:
    query = query_of(1)
    query["inputs"][0]["metadata"]["perturbation_ontology_id"] = CYCLOHEXIMIDE
    said = validate(api, query)
    detail = api.get(f"/api/model-queries/{api.predict(query).json()['modelQueryId']}").json()
    for each in (said, detail):
        first = each["coverage"][0]
        assert (first["label"], first["coverage"], first["terms"]) == ("cycloheximide", "unknown", [])
        assert "CHEBI:27641 (cycloheximide), so this perturbation has no effect" in each["warnings"][0]


@pytest.mark.parametrize("document", [{}, [], {"inputs": [{"num_samples": 0}], "sampling": 1}])
def test_faults_are_those_of_predict(api: Service, document: Any) -> None:
    refused = api.predict(document)
    checked = api.call("POST", "/api/models/gem-1-bulk/validate", json=document)
    assert checked.status_code == refused.status_code == 422
    assert checked.json()["errors"] == refused.json()["errors"]


def test_a_model_that_is_not_there_and_a_missing_key_are_refused_as_everywhere(api: Service) -> None:
    assert api.call("POST", "/api/models/gem-9/validate", json=query_of(1)).status_code == 404
    refused = api.call("POST", "/api/models/gem-1-bulk/validate", json=query_of(1), key="gq_none")
    assert refused.status_code == 401


def test_the_time_is_the_median_of_like_jobs_and_unknown_before_the_first(serve: Serve) -> None:
    with serve() as api:
        cost = validate(api, query_of(100))["estimate"]
        assert cost["seconds"] is None
        assert "gem-1-bulk" in cost["seconds_note"]
        for seconds in (1, 2, 50):
            finish_in(api, api.finished(4), timedelta(seconds=seconds))
        cost = validate(api, query_of(100))["estimate"]
        assert cost["seconds"] == pytest.approx(50, rel=0.01)
        assert "3 jobs" in cost["seconds_note"]
        assert (
            validate(api, query_of(1, sampling_strategy="sample generation"))["estimate"]["seconds"] is None
        )


def test_only_the_last_twenty_jobs_count(serve: Serve) -> None:
    with serve() as api:
        old = [api.finished(1) for _ in range(21)]
        with transaction(api.engine) as session:
            session.execute(
                update(Job)
                .where(Job.id.in_(old))
                .values(started_at=datetime.fromisoformat("2020-01-01T00:00:00+00:00"))
            )
            session.execute(update(Job).where(Job.id.in_(old)).values(finished_at=Job.started_at))
        for _ in range(20):
            finish_in(api, api.finished(1), timedelta(seconds=2))
        assert validate(api, query_of(10))["estimate"]["seconds"] == pytest.approx(20, rel=0.01)


def test_samples_that_wait_already_are_counted(serve: Serve) -> None:
    with serve() as api:
        assert validate(api, query_of(1))["estimate"]["samples_ahead"] == 0
        api.submit(4, 3)
        api.completer.claim(1)
        assert validate(api, query_of(1))["estimate"]["samples_ahead"] == 3


@pytest.mark.parametrize("request_type", RequestType)
def test_the_example_query_of_every_offer_is_valid_as_it_stands(
    api: Service, request_type: RequestType
) -> None:
    public_id = f"gem-1-bulk{request_type.suffix}"
    query = api.get(f"/api/models/{public_id}/example-query").json()["example_query"]
    said = validate(api, query, public_id)
    assert said["model_id"] == public_id
    assert said["estimate"]["rows"] == said["samples"] > 0
    # Where each sample is as large as its reference, there is no one library size to tell.
    assert (said["total_count"] is None) is (request_type is not RequestType.BASELINE)
