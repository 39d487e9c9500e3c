"""Settings are read at the door: what is wrong is named, what is secret is not shown."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest

from shared.errors import SetupError
from shared.settings import ApiSettings, WorkerSettings, read_settings

SERVERS = {
    "GENEQUEUE_DATABASE_URL": "postgresql://u:hush@127.0.0.1/d",
    "GENEQUEUE_REDIS_URL": "redis://:hush@127.0.0.1/0",
    "GENEQUEUE_STORAGE_URL": "file:///objects",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in [name for name in os.environ if name.startswith(("GENEQUEUE_", "AWS_"))]:
        monkeypatch.delenv(name)
    for name, value in SERVERS.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_a_worker_needs_only_its_servers(environment: pytest.MonkeyPatch) -> None:
    assert read_settings(WorkerSettings).lease == timedelta(seconds=10)


def test_what_is_missing_or_wrong_is_named_by_its_variable(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("GENEQUEUE_REDIS_URL")
    environment.setenv("GENEQUEUE_MAX_BODY_BYTES", "many")
    with pytest.raises(SetupError) as refused:
        read_settings(ApiSettings)
    for name in ("GENEQUEUE_REDIS_URL", "GENEQUEUE_SECRET_KEY", "GENEQUEUE_MAX_BODY_BYTES"):
        assert name in str(refused.value)


def test_secrets_are_not_printed(environment: pytest.MonkeyPatch) -> None:
    assert "hush" not in repr(read_settings(WorkerSettings))


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "GENEQUEUE_STORAGE_ACCESS_KEY_ID"])
def test_a_storage_key_comes_under_either_name(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.setenv(name, "k")
    assert read_settings(WorkerSettings).storage_keys == ("k", None)
