"""Serves the API: `python -m api`. Reads the command line; all else is in the environment."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import timedelta

import structlog

from api.main import create_app, leave
from api.serving import Farewell, Place, Server
from shared.errors import GeneQueueError
from shared.telemetry import configure_logs

log = structlog.get_logger()

_READY_DESCRIPTOR = "GENEQUEUE_READY_FD"


def main() -> None:
    """Serve until SIGTERM or SIGINT; an error at the start is one line and exit status 1."""
    options = read_options()
    ready = os.environ.pop(_READY_DESCRIPTOR, None)
    place = Place(options.host, options.port, options.fd)
    farewell = Farewell(notice=timedelta(seconds=options.notice), grace=timedelta(seconds=options.grace))
    configure_logs("api")
    try:
        app, sockets = create_app(), place.sockets()
    except (GeneQueueError, OSError) as error:
        log.error("api.cannot_start", error=str(error))
        sys.exit(1)
    Server(app, place, farewell, lambda: leave(app), int(ready) if ready else None).run(sockets)


def read_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line says; of this process, unless arguments are given."""
    parser = argparse.ArgumentParser("python -m api", description="Serve the GeneQueue API.")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (%(default)s)")
    parser.add_argument("--port", default=8000, type=int, help="the port to listen on (%(default)s)")
    parser.add_argument("--fd", type=int, help="accept from this inherited listening socket instead")
    parser.add_argument(
        "--notice",
        default=0.0,
        type=float,
        help="seconds for a balancer to look elsewhere: not ready, but answering (%(default)s)",
    )
    parser.add_argument(
        "--grace", default=30.0, type=float, help="seconds for answers that are under way (%(default)s)"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
