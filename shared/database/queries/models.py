"""Statements about models that were added while the service runs.

Every change takes a new revision under `lock_models`, so that revisions become visible in their order.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import Executable, Insert, Select, Update, func, insert, or_, select, text, tuple_, update
from sqlalchemy.sql.dml import ReturningUpdate

from shared.database.tables import MODEL_REVISIONS, AddedModel, Job
from shared.jobs.states import JobState
from shared.queries.requests import RequestType

_Version = tuple[str, int]


def newest_revision() -> Select[int | None]:
    """What grows with every change of the table; None while it is empty. One step in an index."""
    return select(func.max(AddedModel.revision))


def all_models() -> Select[AddedModel]:
    """Every version that was ever added, removed ones too."""
    return select(AddedModel).order_by(AddedModel.model_id, AddedModel.version)


def lock_models() -> Executable:
    """Until the end of the transaction nobody else changes the table; everybody may read it."""
    return text("LOCK TABLE models IN SHARE ROW EXCLUSIVE MODE")


def add_model(version: _Version, weights_digest: str, manifest_digest: str, prefix: str) -> Insert:
    """A new version, for everybody to ask from the commit on."""
    model_id, number = version
    return insert(AddedModel).values(
        model_id=model_id,
        version=number,
        weights_digest=weights_digest,
        manifest_digest=manifest_digest,
        prefix=prefix,
    )


def remove_models(versions: Collection[_Version]) -> ReturningUpdate[int]:
    """Versions that nobody can ask any more; returns the numbers of those that could be asked."""
    return (
        update(AddedModel)
        .where(tuple_(AddedModel.model_id, AddedModel.version).in_(versions), AddedModel.removed_at.is_(None))
        .values(removed_at=func.now(), revision=MODEL_REVISIONS.next_value())
        .returning(AddedModel.version)
    )


def unneeded_models(removed_before: timedelta) -> Select[AddedModel]:
    """Versions removed that long ago, with files, whose every job has expired."""
    ids = [AddedModel.model_id.concat(kind.suffix) for kind in RequestType]
    needed = select(Job.id).where(
        or_(*(Job.model_id == public_id for public_id in ids)),
        Job.model_version == AddedModel.version,
        Job.state != JobState.EXPIRED,
    )
    return select(AddedModel).where(
        AddedModel.removed_at < func.now() - removed_before,
        AddedModel.deleted_at.is_(None),
        ~needed.exists(),
    )


def forget_files(version: _Version) -> Update:
    """The files of a version are gone."""
    model_id, number = version
    return (
        update(AddedModel)
        .where(AddedModel.model_id == model_id, AddedModel.version == number)
        .values(deleted_at=func.now(), revision=MODEL_REVISIONS.next_value())
    )
