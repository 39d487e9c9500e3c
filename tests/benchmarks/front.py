"""The front of the service: one API process before its own Postgres and Valkey, and no worker.

The servers have the settings of `genequeue up`; what is killed here stays dead.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from cli.machine.folder import DataFolder
from cli.machine.ports import LOCALHOST, free_ports
from cli.machine.process import Child, Program, wait_until_ready
from cli.machine.servers import Places, start_servers
from cli.machine.services import api_is_ready, local_url, with_our_packages
from cli.machine.supervisor import Supervisor
from shared.database.engines import sync_engine
from shared.database.migrate import upgrade
from tests.support.api import new_key
from tests.support.machine import clean_environment

_PATIENCE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Servers:
    """Postgres with the newest schema, and Valkey."""

    folder: DataFolder
    places: Places
    supervisor: Supervisor

    @property
    def valkey(self) -> Child:
        """The process of Valkey."""
        return self.supervisor.child("valkey")


@dataclass(frozen=True, slots=True)
class Front:
    """One API process and a key for it."""

    servers: Servers
    url: str
    api: Child
    key: str = field(repr=False)


@contextmanager
def running_servers() -> Iterator[Servers]:
    """The servers, in a temporary folder."""
    with TemporaryDirectory(prefix="genequeue-bench-") as name:
        Path(name).chmod(0o711)  # Where we are root, Postgres is another user.
        folder, supervisor = DataFolder(Path(name, "data")), Supervisor(print)
        with folder.taken():
            try:
                places = start_servers(folder, {}, supervisor)
                upgrade(places.database_url)
                yield Servers(folder, places, supervisor)
            finally:
                supervisor.stop()


@contextmanager
def running_front(settings: Mapping[str, str] | None = None) -> Iterator[Front]:
    """Servers and an API, in a temporary folder."""
    with running_servers() as servers:
        (port,) = free_ports(1)
        environment = clean_environment({**servers.places.environment, **(settings or {})})
        command = (sys.executable, "-m", "api", "--host", LOCALHOST, "--port", str(port))
        log = servers.folder.log("api")
        (api,) = servers.supervisor.launch([Program("api", command, log, with_our_packages(environment))])
        url = local_url(LOCALHOST, port)
        wait_until_ready(api, lambda: api_is_ready(url), _PATIENCE)
        engine = sync_engine(servers.places.database_url, pool_size=1)
        try:
            key = new_key(engine, "bench")
        finally:
            engine.dispose()
        yield Front(servers, url, api, key)
