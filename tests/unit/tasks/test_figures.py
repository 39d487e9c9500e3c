"""A worker shows its figures where it is told to, and says so in a sentence where it cannot."""

from __future__ import annotations

import socket

import pytest

from cli.machine.services import with_metrics
from shared.errors import SetupError
from shared.settings import WorkerSettings
from worker.tasks.process import show_figures


def settings(port: int | None) -> WorkerSettings:
    return WorkerSettings(
        database_url="postgresql://u@localhost/d",
        redis_url="redis://localhost",
        storage_url="file:///objects",
        metrics_port=port,
    )


def test_a_port_that_is_taken_is_named_with_the_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SetupError, match=f"127.0.0.1:{port}.*GENEQUEUE_METRICS_PORT"):
            show_figures(settings(port))


def test_two_workers_of_one_machine_never_share_a_port() -> None:
    environment = {"GENEQUEUE_METRICS_PORT": "1", "PATH": "/bin"}
    assert with_metrics(environment, None) == {"PATH": "/bin"}
    assert with_metrics(environment, 9464)["GENEQUEUE_METRICS_PORT"] == "9464"
    assert with_metrics(environment, 9464, after=1)["GENEQUEUE_METRICS_PORT"] == "9465"
