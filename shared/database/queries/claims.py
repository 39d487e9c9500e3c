"""Statements that choose what a worker computes next, lock it, and lease it.

They read no chunk that is not queued or running, however many have ended, and of what is queued only the
first of each workspace, model and version.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    BigInteger,
    ColumnElement,
    Interval,
    Select,
    Subquery,
    and_,
    any_,
    bindparam,
    case,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import aliased
from sqlalchemy.sql.selectable import LateralFromClause

from shared.database.queries.events import RETOLD, event, told
from shared.database.queries.recordsets import Sending
from shared.database.tables import LEASE_TOKENS, Chunk, Job
from shared.jobs.events import EventKind
from shared.jobs.lanes import Turn
from shared.jobs.states import FINAL_JOB_STATES, ChunkState, JobState, chunk_states_before

_UNFINISHED = tuple(set(JobState) - FINAL_JOB_STATES)
_LOOKED_AT = 64
_GROUP = (Chunk.lane, Chunk.workspace_id, Chunk.model_id, Chunk.model_version)
_IS_QUEUED = Chunk.state.in_(chunk_states_before(ChunkState.RUNNING))
# What it takes to choose a chunk, the id first.
_CHOSEN_BY = (
    *(Chunk.id, Chunk.num_samples, Chunk.attempts, Chunk.model_id, Chunk.model_version),
    Chunk.queued_at,
)
# What it takes to compute a chunk: of itself, and of its job.
_LEASED = (
    *(Chunk.id, Chunk.token, Chunk.attempts, Chunk.job_id, Chunk.position, Chunk.first_sample),
    *(Chunk.num_samples, Chunk.model_id, Chunk.model_version, Chunk.lane),
)
_COMPUTED = (
    *(Job.id, Job.request_id, Job.request_type, Job.sampling_strategy, Job.total_count, Job.seed),
    *(Job.deterministic_latents, Job.conditioning, Job.fixed_total_count, Job.input_digests),
    *(Job.custom_ids, Job.sheets),
)


def claimable(
    models: Mapping[str, Collection[int]],
    passed_over: Collection[int],
    limit: int,
    turn: Turn,
) -> Select[Any]:
    """Queued chunks of these versions of each id, of jobs that may run, without those passed over.

    First the lane whose turn it is; in a lane, whoever has the fewest samples under way, counting what
    stands before in this very list; of a workspace, the first chunks of all jobs before the second ones: a
    short job does not wait for a long one to end, nor a small workspace for a large one.
    """
    held = frozenset((model_id, version) for model_id, versions in models.items() for version in versions)
    return _claimable(held, frozenset(passed_over), limit, turn)


@lru_cache(maxsize=64)
def _claimable(
    held: frozenset[tuple[str, int]], passed_over: frozenset[int], limit: int, turn: Turn
) -> Select[Any]:
    """Built once for each: to build it takes longer than Postgres takes to answer it."""
    groups, under_way = _groups(), _under_way()
    chunk = aliased(Chunk, _first_of_group(groups, passed_over, limit))
    preferred = or_(chunk.lane == turn.first, chunk.queued_at < func.now() - turn.patience)
    rank = case((preferred, 0), else_=1)
    taken: ColumnElement[int] = func.sum(chunk.num_samples).over(
        partition_by=chunk.workspace_id, order_by=(rank, chunk.position, chunk.id)
    )
    return (
        select(*(getattr(chunk, column.key) for column in _CHOSEN_BY))
        .select_from(groups)
        .join(chunk, literal(True))
        .outerjoin(under_way, under_way.c.workspace_id == chunk.workspace_id)
        .where(tuple_(groups.c.model_id, groups.c.model_version).in_(sorted(held)))
        .order_by(
            rank,
            func.coalesce(under_way.c.samples, 0) + taken - chunk.num_samples,
            chunk.position,
            chunk.id,
        )
        .limit(limit)
    )


def waiting_longer(models: Mapping[str, Collection[int]], than: timedelta) -> Select[int]:
    """One of the chunks that would be claimed next of these versions, if it was queued that long ago."""
    following = claimable(models, (), _LOOKED_AT, Turn()).subquery()
    return select(following.c.id).where(following.c.queued_at < func.now() - than).limit(1)


def lease(chunk_ids: Collection[int], owner: str, duration: timedelta) -> Sending:
    """Give chunks to an owner: a new token each, and the attempt counted before the work begins.

    Those come back that were still queued and that no other worker was about to take.
    """
    return _LEASING, {"chunks": list(chunk_ids), "owner": owner, "duration": duration}


def start_jobs(job_ids: Collection[UUID]) -> Sending:
    """Mark the queued ones among these jobs as running, which is told; all come back, to be computed."""
    return _STARTING, {"jobs": list(job_ids)}


def _in_state(state: ChunkState) -> ColumnElement[bool]:
    """As text in the statement, not as a parameter: a partial index is used only if the plan knows it."""
    return Chunk.state == literal(str(state), literal_execute=True)


def _groups() -> CTE:
    """Lane, workspace, model and version of all that is queued: one step through the index for each."""
    first = select(*_GROUP).where(_in_state(ChunkState.QUEUED)).order_by(*_GROUP).limit(1)
    groups = first.cte("groups", recursive=True)
    following = (
        select(*_GROUP)
        .where(_in_state(ChunkState.QUEUED), tuple_(*_GROUP) > tuple_(*groups.c))
        .order_by(*_GROUP)
        .limit(1)
        .lateral("following")
    )
    return groups.union_all(select(following).select_from(groups).join(following, literal(True)))


def _first_of_group(groups: CTE, passed_over: Collection[int], limit: int) -> LateralFromClause:
    # A scalar, so that the plan cannot turn it into a join of all that is queued.
    in_time = or_(Job.deadline.is_(None), Job.deadline > func.now())
    may_run = select(and_(Job.state.in_(_UNFINISHED), in_time)).where(Job.id == Chunk.job_id)
    return (
        select(Chunk)
        .where(
            _in_state(ChunkState.QUEUED),
            *(column == group for column, group in zip(_GROUP, groups.c, strict=True)),
            Chunk.id.not_in(passed_over),
            may_run.scalar_subquery(),
        )
        .order_by(Chunk.position, Chunk.id)
        .limit(limit)
        .lateral("first")
    )


def _under_way() -> Subquery:
    """Samples on live leases, by workspace."""
    return (
        select(Chunk.workspace_id, func.sum(Chunk.num_samples).label("samples"))
        .where(_in_state(ChunkState.RUNNING), Chunk.lease_expires_at > func.now())
        .group_by(Chunk.workspace_id)
        .subquery("under_way")
    )


def _leasing() -> Select[Any]:
    """Built once: building it takes longer than Postgres takes to run it."""
    wanted = Chunk.id == any_(bindparam("chunks", type_=ARRAY(BigInteger)))
    queued = select(Chunk.id).where(wanted, _IS_QUEUED).with_for_update(skip_locked=True)
    leased = (
        update(Chunk)
        .where(Chunk.id.in_(queued), _IS_QUEUED)
        .values(
            state=ChunkState.RUNNING,
            owner=bindparam("owner"),
            token=LEASE_TOKENS.next_value(),
            attempts=Chunk.attempts + 1,
            claimed_at=func.now(),
            lease_expires_at=func.now() + bindparam("duration", type_=Interval),
        )
        .returning(*_LEASED, (func.now() - Chunk.queued_at).label("waited"))
        .cte("leased")
    )
    return select(leased).order_by(leased.c.id)


def _starting() -> Select[Any]:
    """Built once, as the other."""
    wanted = Job.id == any_(bindparam("jobs", type_=ARRAY(Job.id.type)))
    queued = wanted & (Job.state == JobState.QUEUED)
    # In the order of their ids: two workers that start the same jobs do not wait for each other in a circle.
    locked = select(Job.id).where(queued).order_by(Job.id).with_for_update(key_share=True)
    job = (
        update(Job)
        .where(Job.id.in_(locked), queued)
        .values(state=JobState.RUNNING, started_at=func.now(), events=Job.events + 1)
        .returning(*RETOLD, Job.events.label("number"))
        .cte("job")
    )
    begun = event(job, job.c.number, EventKind.RUNNING, literal({}, JSONB))
    return select(*_COMPUTED, told(job, job.c.number, EventKind.RUNNING)).where(wanted).add_cte(begun)


_LEASING, _STARTING = _leasing(), _starting()
