"""What the parts of a generation worker's loop are plugged into."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine as DatabaseEngine

from shared.storage.port import Storage
from worker.generation.engines import Engines
from worker.generation.heartbeat import Heartbeat


@dataclass(frozen=True, slots=True)
class Plugs:
    """Rows, objects, leases and models."""

    database: DatabaseEngine
    storage: Storage
    heartbeat: Heartbeat
    engines: Engines
