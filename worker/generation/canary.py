"""One question to every device of a kind: where answers differ, one of the devices is not to be trusted.

Most of them are right; where no answer has more of them, the first that was told.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Sequence

import structlog
from sqlalchemy import Engine as DatabaseEngine

from shared.database.engines import transaction
from shared.database.queries.canaries import answers_like, tell_canary
from shared.database.tables import Canary
from shared.errors import DeviceDiffers
from worker.inference.engine import Engine
from worker.inference.surroundings import surroundings

log = structlog.get_logger()


def canary_of(engine: Engine, digest: str, host: str | None = None) -> Canary:
    """What this host's device answered."""
    manifest = engine.model.manifest
    return Canary(
        weights_digest=manifest.weights_digest,
        surroundings=surroundings(engine.device),
        witness=f"{host or socket.gethostname()} {engine.device}",
        model_id=manifest.model_id,
        model_version=manifest.version,
        digest=digest,
    )


def compare(database: DatabaseEngine, canary: Canary) -> None:
    """Keep the answer, and have it agree with those of the same kind of device.

    Raises DeviceDiffers, with what to do; DatabaseUnavailable.
    """
    with transaction(database) as session:
        session.execute(tell_canary(canary))
        answers = session.scalars(answers_like(canary)).all()
    trusted = _trusted(answers)
    differing = sorted(each.witness for each in answers if each.digest != trusted)
    if canary.digest != trusted:
        raise DeviceDiffers(_what_to_do(canary, next(each for each in answers if each.digest == trusted)))
    if differing:
        log.warning("canary.differs", model=canary.model_id, trusted=canary.witness, differing=differing)


def _trusted(answers: Sequence[Canary]) -> str:
    """The digest that most gave, of several the one told first."""
    ((digest, _), *_) = Counter(each.digest for each in answers).most_common(1)
    return digest


def _what_to_do(mine: Canary, other: Canary) -> str:
    return (
        f"{mine.witness} computes other bits for {mine.model_id} version {mine.model_version} than "
        f"{other.witness} did on {other.told_at:%Y-%m-%d %H:%M} UTC ({mine.surroundings}). Repair or replace "
        f"it; if the other one is the broken one, stop that worker, run "
        f"`genequeue canaries forget '{other.witness}'`, and start this one again."
    )
