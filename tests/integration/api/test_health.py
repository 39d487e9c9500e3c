"""Health: alive as long as the process answers, ready only when everything that it needs does."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from tests.integration.api.conftest import Serve
from tests.support.api import Service, serving, settings_for
from tests.support.catalogs import unread_model


def test_ready_when_everything_answers(api: Service) -> None:
    answer = httpx.get(f"{api.url}/health/ready")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "checks": {"catalog": "ok", "database": "ok", "storage": "ok"},
        "broken_models": [],
    }
    assert httpx.get(f"{api.url}/health/live").json() == {"status": "alive"}


def test_without_a_database_it_starts_and_says_what_is_missing(models_dir: Path, tmp_path: Path) -> None:
    settings = settings_for(
        database_url="postgresql://nobody:nothing@127.0.0.1:1/none",
        redis_url="redis://127.0.0.1:1/0",
        storage_url=f"file://{tmp_path}/objects",
        models_dir=models_dir,
        database_patience=timedelta(0),
    )
    with serving(settings) as url:
        assert httpx.get(f"{url}/health/live").status_code == 200
        answer = httpx.get(f"{url}/health/ready")
        assert answer.status_code == 503
        checks = answer.json()["checks"]
        assert (
            checks.pop("database") == "The database does not answer now. The log of this process says more."
        )
        assert set(checks.values()) == {"ok"}
        refused = httpx.get(f"{url}/api/models", headers={"Authorization": "Bearer gq_any"})
        assert refused.status_code == 503
        assert refused.headers["retry-after"]
        assert refused.json()["code"] == "database_unavailable"
        assert "127.0.0.1" not in refused.text


def test_not_ready_without_its_storage(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    with serve(storage_url="s3://inner/?endpoint=http://127.0.0.1:1") as api, capture_logs() as logged:
        answer = httpx.get(f"{api.url}/health/ready", timeout=10)
        assert answer.status_code == 503
        checks = answer.json()["checks"]
        assert checks["database"] == "ok"
        assert checks["storage"] == "The storage does not answer now. The log of this process says more."
        assert "inner" not in answer.text, "where it is stays in the log"
    (line,) = [line for line in logged if line["event"] == "health.no_answer"]
    assert line["dependency"] == "storage"
    assert "s3://inner" in line["error"] or "after 4.0 s" in line["error"]


def test_not_ready_when_the_models_are_gone(serve: Serve, tmp_path: Path) -> None:
    models = tmp_path / "models"
    unread_model(models)
    with serve(models_dir=models) as api:
        assert httpx.get(f"{api.url}/health/ready").status_code == 200
        shutil.rmtree(models / "gem-1-bulk")
        answer = httpx.get(f"{api.url}/health/ready")
        assert answer.status_code == 503
        assert "gem-1-bulk" in answer.json()["checks"]["catalog"]
