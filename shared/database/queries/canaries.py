"""Statements about what devices answered to the same question."""

from __future__ import annotations

from sqlalchemy import Insert, Select, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.dml import ReturningDelete

from shared.database.tables import Canary


def tell_canary(canary: Canary) -> Insert:
    """What a device answered; an answer that it gave before keeps its time."""
    told = {
        name: getattr(canary, name)
        for name in ("weights_digest", "surroundings", "witness", "model_id", "model_version", "digest")
    }
    return (
        insert(Canary)
        .values(**told)
        .on_conflict_do_update(
            index_elements=[Canary.weights_digest, Canary.surroundings, Canary.witness],
            set_={"digest": canary.digest, "told_at": func.now()},
            where=Canary.digest != canary.digest,
        )
    )


def answers_like(canary: Canary) -> Select[Canary]:
    """What every device of its kind answered for those weights, the first one first."""
    return (
        select(Canary)
        .where(Canary.weights_digest == canary.weights_digest, Canary.surroundings == canary.surroundings)
        .order_by(Canary.told_at, Canary.witness)
    )


def all_canaries() -> Select[Canary]:
    """Every answer that is kept."""
    return select(Canary).order_by(Canary.model_id, Canary.model_version, Canary.surroundings, Canary.told_at)


def forget_canaries(witness: str) -> ReturningDelete[str]:
    """What a device answered counts no more; returns the models that it answered for."""
    return delete(Canary).where(Canary.witness == witness).returning(Canary.model_id)
