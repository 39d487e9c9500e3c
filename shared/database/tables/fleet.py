"""Who works: the processes that said they are alive, and what devices answered the same question."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from shared.database.tables.base import Table, one_of


class Role(StrEnum):
    """What a worker is for."""

    GENERATION = "generation"  # computes
    UPKEEP = "upkeep"  # takes back what the dead held, deletes what is over


class Worker(Table):
    """A worker that said it is alive; of one for generation, its device and the models it holds."""

    __tablename__ = "workers"
    __table_args__ = (CheckConstraint(one_of("role", Role), name="role"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str] = mapped_column(server_default=Role.GENERATION)
    host: Mapped[str]
    pid: Mapped[int]
    device: Mapped[str]
    models: Mapped[dict[str, Any]]
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Canary(Table):
    """What one device computed for a question whose answer must be the same on every device of its kind."""

    __tablename__ = "canaries"

    weights_digest: Mapped[str] = mapped_column(primary_key=True)
    # What else decides the bits: the kind of device, the libraries, our own code.
    surroundings: Mapped[str] = mapped_column(primary_key=True)
    witness: Mapped[str] = mapped_column(primary_key=True)  # host and device
    model_id: Mapped[str]
    model_version: Mapped[int]
    digest: Mapped[str]
    told_at: Mapped[datetime] = mapped_column(server_default=func.now())
