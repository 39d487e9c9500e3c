"""How a Celery worker of ours runs: in this process, on one queue, with our logs."""

from __future__ import annotations

import logging

from celery import Celery
from celery.signals import setup_logging

from shared.messages import Queue


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


def _keep_our_logs(**_: object) -> None:
    """Celery sets up no logs of its own where somebody listens to this signal."""
