"""One run of `genequeue up`: from nothing to ready, kept so, renewed while it serves, and back to nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from socket import socket

from sqlalchemy import Engine

from cli.console import say
from cli.keys import create_first_key
from cli.machine.folder import DataFolder, RunState
from cli.machine.interrupts import Interrupts
from cli.machine.process import Child
from cli.machine.rolling import Rolling
from cli.machine.servers import Places, start_servers
from cli.machine.services import (
    api_is_ready,
    api_names,
    api_program,
    generation_program,
    local_url,
    migration_program,
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
_SETTLED = timedelta(seconds=2)  # what is broken in a program that says nothing shows by then


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asked for who typed `genequeue up`."""

    host: str
    port: int
    api_processes: int = 1
    metrics_port: int | None = None


class Run:
    """The run on a folder that it holds, with a listening socket that outlives every API process."""

    def __init__(self, folder: DataFolder, interrupts: Interrupts, wanted: Wanted, listener: socket) -> None:
        self._folder, self._interrupts, self._wanted = folder, interrupts, wanted
        self._listener = listener
        self._url = local_url(wanted.host, wanted.port)
        self._apis = api_names(wanted.api_processes)
        self._supervisor = Supervisor(say)

    def start(self) -> None:
        """Start everything; returns when it is ready. Raises SetupError or StopRequested."""
        began = time.monotonic()
        say(f"GeneQueue starts on {self._folder.path}")
        places = start_servers(self._folder, os.environ, self._supervisor, self._interrupts.pause)
        say("Postgres and Valkey answer")
        upgrade(places.database_url)
        say("The database has the newest schema; the API and the workers start")
        named = {"GENEQUEUE_PUBLIC_URL": self._url, **os.environ, **places.environment}
        self._environment = with_our_packages(named)
        self._launch_services()
        self._tell(self._first_state(places))
        with self._database() as engine:
            self._wait_until_ready(engine)
            key = create_first_key(engine)
        say(
            f"Ready in {time.monotonic() - began:.1f} s: {self._url} (documentation: {self._url}/docs)",
            "bold green",
        )
        if os.environ.get("GENEQUEUE_AUTH", "on").lower() == "off":
            say("Authentication is off (GENEQUEUE_AUTH): whoever reaches this address may use it.", "yellow")
        if key:
            say(f"API key, shown this once: {key}", "bold")
        say(f"Webhooks may go to public addresses, and to {places.webhook_networks or 'nowhere else'}.")
        say("Ctrl-C stops it.")

    def keep_running(self) -> None:
        """Start again what dies, and all of ours when somebody asks for it. Raises StopRequested."""
        while True:
            self._tick()
            if self._interrupts.restart_requested():
                self._restart()

    def stop(self) -> None:
        """Stop everything: the API, the workers, Valkey, Postgres."""
        self._supervisor.stop()

    def _launch_services(self) -> None:
        # The generation worker takes longest.
        self._supervisor.launch(
            [
                generation_program(self._folder, self._shown_on(0)),
                upkeep_program(self._folder, self._shown_on(1)),
            ]
        )
        self._supervisor.launch(
            [
                api_program(name, self._folder, self._environment, self._listener.fileno())
                for name in self._apis
            ]
        )

    def _shown_on(self, after: int) -> dict[str, str]:
        return with_metrics(self._environment, self._wanted.metrics_port, after=after)

    def _wait_until_ready(self, engine: Engine) -> None:
        deadline = time.monotonic() + _PATIENCE.total_seconds()
        while not self._ready(engine):
            if failed := self._supervisor.given_up():
                raise failed.died()
            if time.monotonic() > deadline:
                raise SetupError(
                    f"GeneQueue was not ready within {_PATIENCE.total_seconds():.0f} s. "
                    f"The logs in {self._folder.path / 'logs'} say why."
                )
            self._tick()

    def _ready(self, engine: Engine) -> bool:
        return (
            all(self._supervisor.child(name).announced for name in self._apis)
            and worker_is_alive(engine, self._supervisor.child("generation").pid)
            and api_is_ready(self._url)
        )

    def _restart(self) -> None:
        began = time.monotonic()
        begun = self._state.restarts_begun + 1
        self._tell(replace(self._state, restarts_begun=begun))
        say("Restart: every process of GeneQueue's own, one after another; no request is refused meanwhile")
        fault = None
        try:
            self._roll()
            say(f"Restarted in {time.monotonic() - began:.1f} s", "bold green")
        except SetupError as error:
            fault = str(error)
            say(f"The restart was given up: {fault} What was not restarted goes on.", "bold red")
        self._tell(replace(self._state, restarts_ended=begun, restart_fault=fault))

    def _roll(self) -> None:
        """The schema, the API processes, the workers. Raises SetupError and StopRequested."""
        self._migrate()
        rolling = Rolling(self._supervisor, self._tick, say)
        for name in self._apis:
            rolling.replace(name, lambda child: child.announced and api_is_ready(self._url))
        with self._database() as engine:
            rolling.renew("generation", lambda child: worker_is_alive(engine, child.pid))
        rolling.renew("upkeep", lambda child: child.exit_code is None and child.age > _SETTLED)

    def _migrate(self) -> None:
        """In a process of its own: this one holds the code that was there at its start."""
        child = Child(migration_program(self._folder, self._environment))
        try:
            while child.exit_code is None:
                self._tick()
        finally:
            child.stop()
        if child.exit_code != 0:
            raise child.died()

    def _tick(self) -> None:
        self._supervisor.tend()
        if self._supervisor.processes != self._state.processes:
            self._tell(replace(self._state, processes=self._supervisor.processes))
        self._interrupts.pause(_TICK)

    def _tell(self, state: RunState) -> None:
        self._state = state
        self._folder.write_state(state)

    def _first_state(self, places: Places) -> RunState:
        return RunState(
            url=self._url,
            database_url=places.database_url,
            redis_url=places.redis_url,
            storage_url=places.storage_url,
            models_dir=places.models_dir,
            pid=os.getpid(),
            processes=self._supervisor.processes,
        )

    @contextmanager
    def _database(self) -> Iterator[Engine]:
        engine = sync_engine(self._state.database_url, pool_size=1)
        try:
            yield engine
        finally:
            engine.dispose()
