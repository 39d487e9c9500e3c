"""The stage: Postgres, Valkey, two API processes, two generation workers and one upkeep worker, kept running.

Every process reaches Postgres and Valkey over a wire that can be cut. Not for threads, but for `urls` and
`keys`: whoever made the stage tends it.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import psutil
import psycopg
from redis import Redis

from cli.machine.ports import LOCALHOST, free_ports, listen
from cli.machine.postgres import Postgres, open_postgres
from cli.machine.process import Child, Program
from cli.machine.services import api_is_ready, with_our_packages
from cli.machine.supervisor import Backoff, Supervisor
from cli.machine.valkey import Valkey, open_valkey
from shared.database.engines import sync_engine
from shared.database.migrate import upgrade
from tests.support.api import new_key
from tests.support.disk import Disk, small_disk
from tests.support.machine import clean_environment
from tests.support.models import tiny_catalog
from tests.system.chaos import audit
from tests.system.chaos.wires import Wire, Wires

APIS, WORKERS, UPKEEP = ("api-1", "api-2"), ("generation-1", "generation-2"), "upkeep"
POSTGRES, VALKEY = "postgres", "valkey"
WORKSPACES = 5
# Each API cuts jobs its own way: a result must not depend on it.
CUTS = {"api-1": 25, "api-2": 40}
# A crash of the server, unlike one of the machine, loses nothing that was written without fsync.
_POSTGRES = ("fsync=off", "full_page_writes=off", "max_connections=150")
_BACKOFF = Backoff(timedelta(milliseconds=200), timedelta(seconds=2), timedelta(seconds=10))
# Jobs must outlive whatever happens to their workers here; the bound on attempts has tests of its own.
QUICK: Mapping[str, str] = {
    "GENEQUEUE_LEASE": "PT3S",
    "GENEQUEUE_HEARTBEAT": "PT0.6S",
    "GENEQUEUE_SWEEP_INTERVAL": "PT0.5S",
    "GENEQUEUE_MAX_ATTEMPTS": "50",
    "GENEQUEUE_BATCH_SAMPLES": "80",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How a stage is set: the settings of its processes, and whether its API processes share an address.

    With `one_address` they accept from one listening socket, which is the stage's own.
    """

    settings: Mapping[str, str] = field(default_factory=lambda: dict(QUICK))
    one_address: bool = False


class Stage:
    """A running stage."""

    def __init__(self, folder: Path, wires: Wires, disk: Disk, plan: Plan) -> None:
        folder.chmod(0o711)  # Where we are root, Postgres is another user.
        self.folder, self.disk, self._plan = folder, disk, plan
        self.said: list[str] = []
        self._supervisor = Supervisor(self.said.append, _BACKOFF)
        self._postgres: Postgres = open_postgres(folder / "postgres")
        self._valkey: Valkey = open_valkey(folder / "valkey")
        self.postgres_wire: Wire = wires.lay(self._postgres.port)
        self.valkey_wire: Wire = wires.lay(self._valkey.port)
        self._ports = free_ports(len(APIS))
        self._listener = listen(LOCALHOST, 0) if plan.one_address else None
        if self._listener:
            self._ports = [self._listener.getsockname()[1]] * len(APIS)
        self.urls = tuple(f"http://{LOCALHOST}:{port}" for port in self._ports)
        self.keys: tuple[str, ...] = ()

    def start(self) -> None:
        """Start everything; returns when it can be used."""
        self._supervisor.launch([self._postgres.program(self._log(POSTGRES), _POSTGRES)])
        self._supervisor.launch([self._valkey.program(self._log(VALKEY))])
        self.wait(lambda: self._postgres.ready() and self._valkey.ready())
        upgrade(self._postgres.url())
        with self.database() as connection:
            audit.install(connection)
        engine = sync_engine(self._postgres.url(), pool_size=1)
        self.keys = tuple(new_key(engine, f"lab-{number}") for number in range(WORKSPACES))
        engine.dispose()
        tiny_catalog(self.folder / "models")
        environment = self._environment()
        self._supervisor.launch([_worker(name, environment, self._log(name)) for name in (*WORKERS, UPKEEP)])
        self._supervisor.launch([self._api(name, environment) for name in APIS])
        self.wait(self.is_whole)

    def tend(self) -> None:
        """Start again what died."""
        self._supervisor.tend()

    def wait(self, true: Callable[[], bool], seconds: float = 120) -> None:
        """Tend until something is true. Raises AssertionError when the time is over."""
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, f"Not true within {seconds} s. {self.said[-3:]}"
            self.tend()
            time.sleep(0.05)

    def pause(self, seconds: float) -> None:
        """Time goes by, and what died is started again."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.tend()
            time.sleep(0.02)

    def is_whole(self) -> bool:
        """Whether every process is alive, and those that answer questions answer them."""
        names = (POSTGRES, VALKEY, *WORKERS, UPKEEP, *APIS)
        if any(self.child(name).exit_code is not None for name in names):
            return False
        if not (self._postgres.ready() and self._valkey.ready()):
            return False
        return all(map(api_is_ready, self.urls)) and self._heard_of() >= {self.pid(name) for name in WORKERS}

    def child(self, name: str) -> Child:
        """The current run of a process."""
        return self._supervisor.child(name)

    def pid(self, name: str) -> int:
        """The id of a process's current run."""
        return self.child(name).pid

    def family(self, name: str) -> list[psutil.Process]:
        """A process and all that it has started."""
        try:
            process = psutil.Process(self.pid(name))
            return [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    @property
    def database_url(self) -> str:
        """Where Postgres is, past the wire."""
        return self._postgres.url()

    @contextmanager
    def database(self) -> Iterator[psycopg.Connection]:
        """A connection of our own, past the wire."""
        with psycopg.connect(self._postgres.url(), autocommit=True, connect_timeout=10) as connection:
            yield connection

    @contextmanager
    def broker(self, patience: float = 30) -> Iterator[Redis]:
        """A connection of our own, past the wire, that waits so many seconds for an answer."""
        with Redis.from_url(self._valkey.url(), socket_timeout=patience) as client:
            yield client

    def forget_broker_data(self) -> None:
        """Delete what Valkey keeps on disk; for when it is dead."""
        shutil.rmtree(self.folder / "valkey" / "appendonlydir", ignore_errors=True)

    def clear(self) -> None:
        """Forget all jobs, and what they left: a stage that is calm is as new then."""
        with self.database() as connection:
            connection.execute("TRUNCATE jobs, idempotency_keys, storm_moves CASCADE")
        for folder in self.disk.objects.iterdir():
            shutil.rmtree(folder)

    def log(self, name: str) -> str:
        """What a process has logged."""
        return self._log(name).read_text(errors="replace")

    def stop(self) -> None:
        """End everything."""
        self._supervisor.stop()
        if self._listener:
            self._listener.close()

    def _heard_of(self) -> set[int]:
        with suppress(psycopg.OperationalError), self.database() as connection:
            rows = connection.execute("SELECT pid FROM workers WHERE seen_at > now() - interval '5 s'")
            return {pid for (pid,) in rows}
        return set()

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _environment(self) -> dict[str, str]:
        scratch = self.folder / "scratch"
        scratch.mkdir()
        over_wires = {
            "GENEQUEUE_DATABASE_URL": _through(self._postgres.url(), self._postgres.port, self.postgres_wire),
            "GENEQUEUE_REDIS_URL": _through(self._valkey.url(), self._valkey.port, self.valkey_wire),
        }
        return with_our_packages(
            clean_environment(
                {
                    **over_wires,
                    "GENEQUEUE_STORAGE_URL": self.disk.objects.as_uri(),
                    "GENEQUEUE_MODELS_DIR": str(self.folder / "models"),
                    "GENEQUEUE_MODELS_CACHE": str(self.folder / "cache"),
                    "GENEQUEUE_SECRET_KEY": "a secret of the storm",
                    "GENEQUEUE_DEVICE": "cpu",
                    "OMP_NUM_THREADS": "1",
                    "TMPDIR": str(scratch),
                    **self._plan.settings,
                }
            )
        )

    def _api(self, name: str, environment: Mapping[str, str]) -> Program:
        inherited = (self._listener.fileno(),) if self._listener else ()
        where = ("--fd", *inherited) if inherited else ("--port", self._ports[APIS.index(name)])
        command = (sys.executable, "-m", "api", "--grace", "20", *map(str, where))
        cut = {"GENEQUEUE_SAMPLES_PER_CHUNK": str(CUTS[name])}
        return Program(
            name,
            command,
            self._log(name),
            {**environment, **cut},
            patience=timedelta(seconds=25),
            inherited=inherited,
        )


@contextmanager
def running_stage(folder: Path, plan: Plan | None = None) -> Iterator[Stage]:
    """A stage in `folder`, whole; everything is stopped at the end."""
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(folder / "disk"))
        stage = Stage(folder, stack.enter_context(Wires()), disk, plan or Plan())
        stack.callback(stage.stop)
        stage.start()
        yield stage


def _worker(name: str, environment: Mapping[str, str], log: Path) -> Program:
    module = "worker.cpu" if name == UPKEEP else "worker.gpu"
    return Program(name, (sys.executable, "-m", module), log, environment, patience=timedelta(seconds=20))


def _through(url: str, port: int, wire: Wire) -> str:
    return url.replace(f":{port}/", f":{wire.port}/")
