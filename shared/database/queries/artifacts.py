"""Statements about files made of results: asked for, taken by a maker under a lease, finished or failed.

Guarded by the fencing token: a maker whose lease somebody else holds now changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Delete,
    Executable,
    Select,
    and_,
    delete,
    func,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.dml import ReturningUpdate

from shared.database.tables import LEASE_TOKENS, Artifact, Job
from shared.jobs.artifacts import ArtifactKind, ArtifactState

# Whoever makes artifacts listens here; it is told when a transaction that asked for one is committed.
CHANNEL = "genequeue_artifacts"
# One that failed is made again for whoever asks after so long: what was in the way may be gone.
_FORGIVEN = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Made:
    """A file that lies in the storage."""

    key: str
    bytes: int
    sha256: str
    media_type: str
    file_name: str


def ask(job_id: UUID, kind: ArtifactKind, request: Mapping[str, Any], digest: str, total: int) -> Executable:
    """Ask for an artifact of so many samples; one that was asked for before is not asked for again."""
    values = {"job_id": job_id, "kind": kind, "request": dict(request), "digest": digest, "total": total}
    again = and_(
        Artifact.state == ArtifactState.FAILED, Artifact.finished_at < func.clock_timestamp() - _FORGIVEN
    )
    return (
        insert(Artifact)
        .values(**values)
        .on_conflict_do_update(
            index_elements=[Artifact.job_id, Artifact.digest],
            set_={
                "state": ArtifactState.QUEUED,
                "request": dict(request),
                "attempts": 0,
                "done": 0,
                "error": None,
                "finished_at": None,
            },
            where=again,
        )
    )


def notify() -> Select[Any]:
    """Wake whoever makes artifacts, at the commit."""
    return select(func.pg_notify(CHANNEL, ""))


def by_digest(job_id: UUID, digest: str) -> Select[Artifact]:
    """What was asked for under a digest."""
    return select(Artifact).where(Artifact.job_id == job_id, Artifact.digest == digest)


def of_job(job_id: UUID, artifact_id: UUID) -> Select[Artifact]:
    """An artifact, if it is one of the job."""
    return select(Artifact).where(Artifact.job_id == job_id, Artifact.id == artifact_id)


def all_of_job(job_id: UUID) -> Select[Artifact]:
    """The artifacts of a job, the oldest first."""
    return select(Artifact).where(Artifact.job_id == job_id).order_by(Artifact.created_at)


def take(
    owner: str, lease: timedelta, max_attempts: int, largest: int | None = None
) -> ReturningUpdate[Artifact]:
    """Begin an attempt of the artifact that waits longest: one that is asked for, or whose maker died.

    It has `largest` samples at most, if that is given.
    """
    waiting = (
        select(Artifact.id)
        .where(_free(), Artifact.attempts < max_attempts, Artifact.total <= largest if largest else true())
        .order_by(Artifact.created_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    return (
        update(Artifact)
        .where(Artifact.id.in_(waiting))
        .values(
            state=ArtifactState.RUNNING,
            owner=owner,
            token=LEASE_TOKENS.next_value(),
            attempts=Artifact.attempts + 1,
            lease_expires_at=func.now() + lease,
            started_at=func.now(),
            done=0,
        )
        .returning(Artifact)
    )


def end_hopeless(max_attempts: int, error: str) -> ReturningUpdate[UUID]:
    """Fail those whose every attempt ended without a word, as when a process is killed for its memory."""
    return (
        update(Artifact)
        .where(_free(), Artifact.attempts >= max_attempts)
        .values(state=ArtifactState.FAILED, error=error, **_ENDED)
        .returning(Artifact.id)
    )


def renew(artifact_id: UUID, token: int, lease: timedelta, done: int) -> ReturningUpdate[UUID]:
    """Extend a lease and write down how far it is; nothing comes back where it is not ours any more."""
    return (
        update(Artifact)
        .where(*_held(artifact_id, token))
        .values(lease_expires_at=func.now() + lease, done=done)
        .returning(Artifact.id)
    )


def finish(artifact_id: UUID, token: int, made: Made) -> ReturningUpdate[UUID]:
    """Point at the file; nothing comes back where the lease was lost."""
    return (
        update(Artifact)
        .where(*_held(artifact_id, token))
        .values(
            state=ArtifactState.READY,
            done=Artifact.total,
            key=made.key,
            bytes=made.bytes,
            sha256=made.sha256,
            media_type=made.media_type,
            file_name=made.file_name,
            error=None,
            **_ENDED,
        )
        .returning(Artifact.id)
    )


def fail(artifact_id: UUID, token: int, error: str) -> ReturningUpdate[UUID]:
    """It cannot be made."""
    return (
        update(Artifact)
        .where(*_held(artifact_id, token))
        .values(state=ArtifactState.FAILED, error=error, **_ENDED)
        .returning(Artifact.id)
    )


def try_again(artifact_id: UUID, token: int, error: str) -> ReturningUpdate[UUID]:
    """An attempt went wrong; the next one may not."""
    return (
        update(Artifact)
        .where(*_held(artifact_id, token))
        .values(state=ArtifactState.QUEUED, owner=None, lease_expires_at=None, error=error)
        .returning(Artifact.id)
    )


def give_back(artifact_id: UUID, token: int) -> ReturningUpdate[UUID]:
    """Let go of one that was taken by a process that ends: the attempt does not count."""
    return (
        update(Artifact)
        .where(*_held(artifact_id, token))
        .values(
            state=ArtifactState.QUEUED,
            owner=None,
            lease_expires_at=None,
            attempts=Artifact.attempts - 1,
        )
        .returning(Artifact.id)
    )


def forget(job_id: UUID) -> Delete:
    """The files of a job are gone, and with them the rows; whoever makes one loses its lease."""
    return delete(Artifact).where(Artifact.job_id == job_id)


def job_of(artifact_id: UUID) -> Select[Job]:
    """The job whose result an artifact is made of."""
    return select(Job).join(Artifact, Artifact.job_id == Job.id).where(Artifact.id == artifact_id)


def _free() -> ColumnElement[bool]:
    return or_(
        Artifact.state == ArtifactState.QUEUED,
        and_(Artifact.state == ArtifactState.RUNNING, Artifact.lease_expires_at < func.now()),
    )


def _held(artifact_id: UUID, token: int) -> tuple[ColumnElement[bool], ...]:
    return Artifact.id == artifact_id, Artifact.token == token, Artifact.state == ArtifactState.RUNNING


_ENDED: Mapping[str, Any] = {
    "owner": None,
    "lease_expires_at": None,
    "finished_at": func.clock_timestamp(),
}
