"""What is done to the processes: each fault is a function that begins it and returns what ends it.

A fault looks up its victim when its time has come: the run that is current then.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import psutil
import psycopg
from redis.exceptions import RedisError

from tests.system.chaos.stage import APIS, POSTGRES, UPKEEP, VALKEY, WORKERS, Stage

End = Callable[[], None]
DISK = "disk"


@dataclass(frozen=True, slots=True)
class Fault:
    """`begin(stage, target)` does it and returns its end; it lasts from `shortest` to `longest` seconds.

    `cards` is how often it is in the pack that is dealt.
    """

    name: str
    targets: Sequence[str]
    begin: Callable[[Stage, str], End]
    shortest: float = 0
    longest: float = 0
    cards: int = 1


def _nothing() -> None:
    """The end of what is over at once."""


def _send(number: signal.Signals, stage: Stage, target: str) -> End:
    stage.child(target).send(number)
    return _nothing


def _freeze(stage: Stage, target: str) -> End:
    """Stop a process and its children, as a machine that swaps or a paused container is stopped."""
    frozen = stage.family(target)
    for process in frozen:
        with suppress(psutil.NoSuchProcess):
            process.suspend()

    def thaw() -> None:
        for process in frozen:
            with suppress(psutil.NoSuchProcess):
                process.resume()

    return thaw


def _kill_family(stage: Stage, target: str) -> End:
    for process in stage.family(target):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    return _nothing


def _lose_broker_data(stage: Stage, target: str) -> End:
    child = stage.child(target)
    child.send(signal.SIGKILL)
    child.end()
    stage.forget_broker_data()
    return _nothing


def _flush_broker(stage: Stage, target: str) -> End:
    with suppress(RedisError), stage.broker(patience=5) as client:
        client.flushall()
    return _nothing


def _end_sessions(stage: Stage, target: str) -> End:
    with suppress(psycopg.OperationalError), stage.database() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
    return _nothing


def _cut(stage: Stage, target: str) -> End:
    (stage.postgres_wire if target == POSTGRES else stage.valkey_wire).cut()
    return _nothing


def _fill_disk(stage: Stage, target: str) -> End:
    stage.disk.fill()
    return stage.disk.empty


_KILL, _TERM, _CRASH = (partial(_send, number) for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGQUIT))

# A lease is three seconds in a storm: a frozen worker often wakes up without it.
FAULTS: Mapping[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault("worker killed (-9)", WORKERS, _KILL, cards=4),
        Fault("worker stopped (TERM)", WORKERS, _TERM),
        Fault("worker frozen (STOP, CONT)", WORKERS, _freeze, 1, 7, cards=2),
        Fault("API killed (-9)", APIS, _KILL),
        Fault("API stopped (TERM)", APIS, _TERM),
        Fault("API frozen (STOP, CONT)", APIS, _freeze, 1, 4),
        Fault("upkeep killed (-9)", (UPKEEP,), _KILL),
        Fault("upkeep stopped (TERM)", (UPKEEP,), _TERM),
        Fault("upkeep frozen (STOP, CONT)", (UPKEEP,), _freeze, 1, 6),
        Fault("Valkey killed (-9)", (VALKEY,), _KILL),
        Fault("Valkey killed, data lost", (VALKEY,), _lose_broker_data),
        Fault("Valkey emptied (FLUSHALL)", (VALKEY,), _flush_broker),
        Fault("Valkey frozen (STOP, CONT)", (VALKEY,), _freeze, 1, 8),
        Fault("Valkey's connections cut", (VALKEY,), _cut),
        Fault("Postgres killed (-9, all of it)", (POSTGRES,), _kill_family),
        Fault("Postgres's postmaster killed (-9)", (POSTGRES,), _KILL),
        Fault("Postgres stopped at once (QUIT)", (POSTGRES,), _CRASH),
        Fault("Postgres frozen (STOP, CONT)", (POSTGRES,), _freeze, 1, 4),
        Fault("Postgres's sessions terminated", (POSTGRES,), _end_sessions),
        Fault("Postgres's connections cut", (POSTGRES,), _cut),
        Fault("storage disk full", (DISK,), _fill_disk, 2, 5),
    )
}
