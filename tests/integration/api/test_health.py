"""Health: alive as long as the process answers, ready only when everything that it needs does."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.integration.api.conftest import Serve
from tests.support import calls
from tests.support.api import Service, health, serving, settings_for
from tests.support.catalogs import unread_model
from tests.support.processes import wait_until


def test_ready_when_everything_answers(api: Service) -> None:
    answer = health(api.url, "catalog", "database", "storage")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "checks": {"catalog": "ok", "database": "ok", "storage": "ok"},
        "broken_models": [],
    }
    assert calls.get(f"{api.url}/health/live").json() == {"status": "alive"}


def test_without_a_database_it_starts_and_says_what_is_missing(models_dir: Path, tmp_path: Path) -> None:
    settings = settings_for(
        database_url="postgresql://nobody:nothing@127.0.0.1:1/none",
        redis_url="redis://127.0.0.1:1/0",
        storage_url=f"file://{tmp_path}/objects",
        models_dir=models_dir,
        database_patience=timedelta(0),
    )
    with serving(settings) as url:
        assert calls.get(f"{url}/health/live").status_code == 200
        answer = health(url, "catalog", "storage")
        assert answer.status_code == 503
        checks = answer.json()["checks"]
        assert (
            checks.pop("database") == "The database does not answer now. The log of this process says more."
        )
        assert set(checks.values()) == {"ok"}
        refused = calls.get(f"{url}/api/models", headers={"Authorization": "Bearer gq_any"})
        assert refused.status_code == 503
        assert refused.headers["retry-after"]
        assert refused.json()["code"] == "database_unavailable"
        assert "127.0.0.1" not in refused.text


def test_not_ready_without_its_storage(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    with serve(storage_url="s3://inner/?endpoint=http://127.0.0.1:1") as api, capture_logs() as logged:
        answer = health(api.url, "database")
        assert answer.status_code == 503
        checks = answer.json()["checks"]
        assert checks["storage"] == "The storage does not answer now. The log of this process says more."
        assert "inner" not in answer.text, "where it is stays in the log"
    lines = [line for line in logged if line["event"] == "health.no_answer"]
    said = [line["error"] for line in lines if line["dependency"] == "storage"]
    assert said
    assert all("s3://inner" in error or "after 4.0 s" in error for error in said)


def test_not_ready_when_the_models_are_gone(serve: Serve, tmp_path: Path) -> None:
    models = tmp_path / "models"
    unread_model(models)
    with serve(models_dir=models) as api:
        assert health(api.url, "catalog", "database", "storage").status_code == 200
        shutil.rmtree(models / "gem-1-bulk")
        wait_until(lambda: "gem-1-bulk" in health(api.url, "database").json()["checks"]["catalog"])
        assert health(api.url).status_code == 503
