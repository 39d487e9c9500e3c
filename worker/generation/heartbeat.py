"""A thread that says this worker is alive and renews the leases of what it holds.

It runs beside the computing thread, which is deaf while a batch runs.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import Engine

from shared.database.engines import transaction
from shared.database.queries import leases, workers
from shared.errors import DatabaseUnavailable
from worker.generation.work import Work

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WorkerCard:
    """How a worker introduces itself: the device it computes on, and the versions it holds of each id now."""

    id: str
    device: str
    models: Callable[[], Mapping[str, Collection[int]]] = dict


class Heartbeat:
    """Leases held by this worker, renewed every `interval` for `lease`; a context manager."""

    def __init__(self, engine: Engine, card: WorkerCard, lease: timedelta, interval: timedelta) -> None:
        self._engine, self._card, self._lease, self._interval = engine, card, lease, interval
        self._held: dict[tuple[int, int], Work] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def hold(self, works: Iterable[Work]) -> None:
        """Renew these leases from now on."""
        with self._lock:
            self._held.update({work.lease: work for work in works})

    def drop(self, work: Work) -> None:
        """The chunk ended, or was given back: renew it no more."""
        with self._lock:
            self._held.pop(work.lease, None)

    def holds(self, work: Work) -> bool:
        """Whether the lease was still ours at the last beat."""
        with self._lock:
            return work.lease in self._held

    def __enter__(self) -> Heartbeat:
        self._announce()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=5)
        try:
            with transaction(self._engine) as session:
                session.execute(workers.retire(self._card.id))
        except DatabaseUnavailable as error:
            log.warning("heartbeat.not_retired", error=str(error))

    def _run(self) -> None:
        while not self._stop.wait(self._interval.total_seconds()):
            try:
                self._announce()
                self._renew()
            except Exception as error:  # noqa: BLE001 - the thread's edge: a missed beat must not be the last
                # The leases run on meanwhile; what outlasts them is given to others, and the token guards us.
                log.warning("heartbeat.missed", error=str(error))

    def _announce(self) -> None:
        card = self._card
        with transaction(self._engine) as session:
            session.execute(
                workers.announce(card.id, socket.gethostname(), os.getpid(), card.device, dict(card.models()))
            )

    def _renew(self) -> None:
        with self._lock:
            held = sorted(self._held)
        if not held:
            return
        with transaction(self._engine) as session:
            kept = set(session.scalars(*leases.renew(held, self._lease)))
        lost = {pair for pair in held if pair[0] not in kept}
        with self._lock:
            # A chunk that was completed meanwhile has left the set already.
            lost_works = [self._held.pop(pair) for pair in lost & self._held.keys()]
        for work in lost_works:
            log.warning("lease.lost", **work.ids)
