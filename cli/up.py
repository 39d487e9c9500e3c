"""`genequeue up`: everything on one machine, started, supervised and stopped."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Engine

from cli.console import say
from cli.keys import create_first_key
from cli.machine.folder import DATA_DIR, DataFolder, RunState
from cli.machine.interrupts import Interrupts, StopRequested
from cli.machine.ports import refuse_unless_free
from cli.machine.servers import Places, start_servers
from cli.machine.services import (
    api_is_ready,
    api_program,
    generation_program,
    local_url,
    upkeep_program,
    with_metrics,
    with_our_packages,
    worker_is_alive,
)
from cli.machine.supervisor import Supervisor
from shared.database.engines import sync_engine
from shared.database.migrate import upgrade
from shared.errors import SetupError

_PATIENCE = timedelta(minutes=3)
_TICK = 0.1


def up(
    data_dir: Annotated[Path, typer.Option(help="Where all of it is kept.")] = DATA_DIR,
    port: Annotated[int, typer.Option(help="The API's port.", min=1, max=65535)] = 8000,
    host: Annotated[str, typer.Option(help="The address that the API listens on.")] = "127.0.0.1",
    metrics_port: Annotated[
        int | None,
        typer.Option(
            help="Where the generation worker shows its figures to Prometheus; upkeep takes the next port.",
            envvar="GENEQUEUE_METRICS_PORT",
            min=1,
            max=65534,
        ),
    ] = None,
) -> None:
    """Run GeneQueue on this machine until Ctrl-C: Postgres, Valkey, the API and the workers."""
    folder = DataFolder(data_dir.resolve())
    with Interrupts() as interrupts, folder.taken():
        refuse_unless_free(host, port)
        machine = _Machine(folder, interrupts, host, port, metrics_port)
        try:
            machine.start()
            machine.keep_running()
        except StopRequested:
            say("Stopping.")
        finally:
            machine.stop()
        say(f"Stopped. The next run on {data_dir} carries on.")


class _Machine:
    """One run: from nothing to ready, kept so, and back to nothing."""

    def __init__(
        self, folder: DataFolder, interrupts: Interrupts, host: str, port: int, metrics_port: int | None
    ) -> None:
        self._folder, self._interrupts = folder, interrupts
        self._host, self._port, self._metrics_port = host, port, metrics_port
        self._url = local_url(host, port)
        self._supervisor = Supervisor(say)

    def start(self) -> None:
        """Start everything; returns when it is ready. Raises SetupError or StopRequested."""
        began = time.monotonic()
        say(f"GeneQueue starts on {self._folder.path}")
        places = start_servers(self._folder, os.environ, self._supervisor, self._interrupts.pause)
        say("Postgres and Valkey answer")
        upgrade(places.database_url)
        say("The database has the newest schema; the API and the workers start")
        self._launch_services(places)
        self._places = places
        self._write_state()
        engine = sync_engine(places.database_url, pool_size=1)
        try:
            self._wait_until_ready(engine)
            key = create_first_key(engine)
        finally:
            engine.dispose()
        say(
            f"Ready in {time.monotonic() - began:.1f} s: {self._url} (documentation: {self._url}/docs)",
            "bold green",
        )
        if os.environ.get("GENEQUEUE_AUTH", "on").lower() == "off":
            say("Authentication is off (GENEQUEUE_AUTH): whoever reaches this address may use it.", "yellow")
        if key:
            say(f"API key, shown this once: {key}", "bold")
        say("Ctrl-C stops it.")

    def keep_running(self) -> None:
        """Start again what dies, for ever. Raises StopRequested."""
        while True:
            if self._supervisor.tend():
                self._write_state()
            self._interrupts.pause(_TICK)

    def stop(self) -> None:
        """Stop everything: the API, the workers, Valkey, Postgres."""
        self._supervisor.stop()

    def _launch_services(self, places: Places) -> None:
        environment = with_our_packages({**os.environ, **places.environment})
        # The generation worker takes longest.
        self._supervisor.launch(
            [
                generation_program(self._folder, with_metrics(environment, self._metrics_port)),
                upkeep_program(self._folder, with_metrics(environment, self._metrics_port, after=1)),
            ]
        )
        self._supervisor.launch([api_program(self._folder, environment, self._host, self._port)])

    def _wait_until_ready(self, engine: Engine) -> None:
        deadline = time.monotonic() + _PATIENCE.total_seconds()
        while not self._ready(engine):
            if failed := self._supervisor.given_up():
                raise failed.died()
            if self._supervisor.tend():
                self._write_state()
            if time.monotonic() > deadline:
                raise SetupError(
                    f"GeneQueue was not ready within {_PATIENCE.total_seconds():.0f} s. "
                    f"The logs in {self._folder.path / 'logs'} say why."
                )
            self._interrupts.pause(_TICK)

    def _ready(self, engine: Engine) -> bool:
        return worker_is_alive(engine, self._supervisor.child("generation").pid) and api_is_ready(self._url)

    def _write_state(self) -> None:
        self._folder.write_state(
            RunState(
                url=self._url,
                database_url=self._places.database_url,
                redis_url=self._places.redis_url,
                storage_url=self._places.storage_url,
                models_dir=self._places.models_dir,
                pid=os.getpid(),
                processes=self._supervisor.processes,
            )
        )
