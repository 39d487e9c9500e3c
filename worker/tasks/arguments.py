"""How a Celery worker of ours is started."""

from __future__ import annotations

from shared.messages import Queue


def worker_arguments(queue: Queue) -> list[str]:
    """One process, one task at a time: torch hangs in a child of a process that loaded it."""
    return [
        "--quiet",
        "worker",
        "--pool=solo",
        "--concurrency=1",
        f"--queues={queue}",
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
        "--loglevel=WARNING",
    ]
