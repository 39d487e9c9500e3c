"""Who may ask: keys, workspaces, and the open door."""

from __future__ import annotations

import pytest

from shared.database.engines import transaction
from shared.database.keys import mint_key
from shared.database.queries.keys import ensure_workspace, revoke_key, save_key
from tests.integration.api.conftest import Serve
from tests.support import calls
from tests.support.api import Service, query_of

NO_JOB = "6f1d3f0e-0000-4000-8000-000000000000"
ROUTES = ["/api/models", "/api/models/gem-1-bulk/genes", f"/api/model-queries/{NO_JOB}/status"]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic abc", "Bearer gq_nobody"])
def test_no_key_or_an_unknown_one_is_401_with_the_remedy(
    api: Service, route: str, header: str | None
) -> None:
    answer = calls.get(api.url + route, headers={} if header is None else {"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["code"] == "key_rejected"
    assert "genequeue keys create" in answer.json()["error"]


def test_the_scheme_may_be_written_in_any_case(api: Service) -> None:
    answer = calls.get(f"{api.url}/api/models", headers={"Authorization": f"bEaReR {api.key}"})
    assert answer.status_code == 200


def test_a_revoked_key_stops_working_at_once(api: Service) -> None:
    key = mint_key()
    with transaction(api.engine) as session:
        workspace_id = session.execute(ensure_workspace("leaving")).scalar_one()
        session.execute(save_key(workspace_id, "leaving", key))
    assert api.get("/api/models", key=key.plain).status_code == 200
    with transaction(api.engine) as session:
        session.execute(revoke_key(key.prefix))
    assert api.get("/api/models", key=key.plain).status_code == 401


def test_a_workspace_does_not_see_the_jobs_of_another(api: Service) -> None:
    job_id = api.finished(1)
    stranger = api.new_key("somebody else")
    for tail in ("", "/status", "/result"):
        assert api.get(f"/api/model-queries/{job_id}{tail}").status_code == 200
        answer = api.get(f"/api/model-queries/{job_id}{tail}", key=stranger)
        assert answer.status_code == 404
        assert answer.json()["code"] == "job_not_found"


def test_two_keys_of_one_workspace_see_the_same_jobs(api: Service) -> None:
    job_id = api.submit(1)
    assert api.get(f"/api/model-queries/{job_id}", key=api.new_key("default")).status_code == 200


@pytest.mark.parametrize("written", ["1", "not-an-id", "0" * 32, "%00", NO_JOB])
def test_an_id_that_is_none_is_404(api: Service, written: str) -> None:
    for tail in ("", "/status", "/result"):
        answer = api.get(f"/api/model-queries/{written}{tail}")
        assert answer.status_code == 404
        assert answer.json()["code"] == "job_not_found"


def test_with_authentication_off_everybody_is_in_the_default_workspace(serve: Serve) -> None:
    with serve(auth="off") as api:
        answer = calls.post(f"{api.url}/api/models/gem-1-bulk/predict", json=query_of(1))
        assert answer.status_code == 202
        job_id = answer.json()["modelQueryId"]
        assert calls.get(f"{api.url}/api/model-queries/{job_id}").status_code == 200
        # A client that carries a key of another server is let in as well.
        assert api.get(f"/api/model-queries/{job_id}", key="whatever").status_code == 200
    with serve(auth="on") as api:
        # The default workspace's own key sees what was asked while the door stood open.
        assert api.get(f"/api/model-queries/{job_id}").status_code == 200
        assert calls.get(f"{api.url}/api/model-queries/{job_id}").status_code == 401
