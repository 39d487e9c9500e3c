"""How a worker process of ours starts and runs: one queue, our settings, our logs."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable
from typing import TypeVar

import psutil
import structlog
from celery import Celery
from celery.signals import setup_logging
from celery.worker import state
from prometheus_client import start_http_server

from shared import metrics
from shared.errors import GeneQueueError, SetupError
from shared.messages import Queue
from shared.settings import WorkerSettings, read_settings
from shared.telemetry import configure_logs

log = structlog.get_logger()

S = TypeVar("S", bound=WorkerSettings)

SUCCESS, FAILURE = 0, 70  # the latter of software, as in sysexits.h


def start(name: str, kind: type[S], run: Callable[[S], None]) -> None:
    """Run a worker, with its kind of settings, until it is told to stop.

    An error at its start is one line and exit status 1.
    """
    configure_logs(name)
    try:
        settings = read_settings(kind)
        configure_logs(name, settings.log_level)
        show_figures(settings)
        run(settings)
    except GeneQueueError as error:
        log.error("worker.cannot_start", error=str(error))
        sys.exit(1)


def show_figures(settings: WorkerSettings) -> None:
    """Serve this process's figures to Prometheus from a thread, if a port is set. Raises SetupError."""
    if settings.metrics_port is None:
        return
    try:
        start_http_server(settings.metrics_port, settings.metrics_host, metrics.WORKER)
    except OSError as error:
        raise SetupError(
            f"Figures cannot be served on {settings.metrics_host}:{settings.metrics_port}: {error.strerror}. "
            "Choose another GENEQUEUE_METRICS_PORT for each worker of this machine."
        ) from error


def run_worker(app: Celery, queue: Queue) -> None:
    """Answer the messages of a queue until SIGTERM or SIGINT; the task in hand is finished first.

    One process, one task at a time: torch hangs in a child of a process that loaded it.
    """
    setup_logging.connect(_keep_our_logs, weak=False)
    logging.getLogger("celery").setLevel(logging.WARNING)
    app.worker_main(
        [
            "--quiet",
            "worker",
            "--pool=solo",
            "--concurrency=1",
            f"--queues={queue}",
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
        ]
    )


def end_in_order_when_told() -> None:
    """Heed SIGTERM and SIGINT from now on; Celery does so itself once it is up."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: end_process(SUCCESS))


def end_process(status: int) -> None:
    """Have this process end in good order, once the task in hand is finished."""
    state.should_stop = status


def end_at_once() -> None:
    """End a process that listens to nothing any more; what it holds runs out."""
    sys.stdout.flush()
    os._exit(FAILURE)


def name_of_this_process() -> str:
    """What it calls itself in the rows: no other process ever does."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


def resident_bytes() -> int:
    """The memory that this process holds now."""
    return int(psutil.Process().memory_info().rss)


def _keep_our_logs(**_: object) -> None:
    """Celery sets up no logs of its own where somebody listens to this signal."""
