"""How long what a dead worker held lay idle: from its death to the next claim, by the second set of books."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shared.jobs.states import ChunkState
from tests.system.chaos.adversary import Struck
from tests.system.chaos.audit import Move

DEADLY = "worker killed (-9)"


@dataclass(frozen=True, slots=True)
class Idle:
    """Seconds from a worker's death until a chunk of its was claimed again, and until upkeep took it back."""

    claimed: float
    taken_back: float
    death: Struck


def recovery(moves: Sequence[Move], struck: Sequence[Struck]) -> list[Idle]:
    """Of every chunk that a worker held when kill -9 met it, the shortest first."""
    deaths = [one for one in struck if one.strike.fault == DEADLY]
    lives = _by_chunk(moves)
    return sorted(
        (idle for life in lives for death in deaths for idle in _idle(life, death)),
        key=lambda idle: idle.claimed,
    )


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which that share of the values lies; nan of none."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else float("nan")


def _idle(life: Sequence[Move], death: Struck) -> Iterator[Idle]:
    """Of one chunk, if the dead worker held it when it died and somebody claimed it afterwards."""
    here = bisect_right([move.at for move in life], death.at)
    if here == 0:
        return
    last = life[here - 1]
    if last.after != ChunkState.RUNNING or f"-{death.pid}-" not in (last.owner or ""):
        return
    back = next((move for move in life[here:] if move.after == ChunkState.QUEUED), None)
    again = next((move for move in life[here:] if move.after == ChunkState.RUNNING), None)
    if back is not None and again is not None:
        yield Idle((again.at - death.at).total_seconds(), (back.at - death.at).total_seconds(), death)


def _by_chunk(moves: Sequence[Move]) -> list[list[Move]]:
    lives: dict[str, list[Move]] = {}
    for move in moves:
        if move.kind == "chunk":
            lives.setdefault(move.subject, []).append(move)
    return list(lives.values())
