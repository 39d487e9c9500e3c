"""The storage against the rows: results without objects, and objects that belong to no result."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from uuid import UUID

from sqlalchemy import Engine

from cli.doctor.finding import Finding, count, ok, warning, wrong
from cli.doctor.installation import Installation
from shared.database.engines import transaction
from shared.database.queries import diagnosis
from shared.results.manifest import RESULTS
from shared.storage.objects import Credentials, open_storage

_IDS_AT_ONCE = 1_000
_NAMED = 3


def examine_objects(place: Installation) -> Iterator[Finding]:
    """Lists the storage and reads every result's keys: for small installations, or at night."""
    settings = place.settings
    storage = open_storage(settings.storage_url, Credentials(*settings.storage_keys))
    # In this order nothing that comes or goes meanwhile is taken for a fault.
    before = _keys_in_rows(place.engine)
    listed = set(storage.keys(RESULTS))
    unfinished = _unfinished(place.engine, {job for key in listed if (job := _job_of(key))})
    after = _keys_in_rows(place.engine)
    missing = {key: job for key, job in before.items() if key in after and key not in listed}
    stray = {key for key in listed if key not in after and _job_of(key) not in unfinished}
    yield judge_objects(len(after), missing, stray)


def judge_objects(expected: int, missing: Mapping[str, UUID], stray: Collection[str]) -> Finding:
    """`missing` by key, with its job; `stray` are keys that no row names."""
    if missing:
        jobs = sorted({str(job) for job in missing.values()})
        found = f"{count(len(missing), 'object')} of {count(len(jobs), 'result')} are gone: {_some(jobs)}."
        remedy = "Restore the storage from a backup, or submit those queries again with the same seed."
        return wrong("objects", found, remedy)
    if stray:
        found = f"{count(len(stray), 'object')} belong to no result: {_some(sorted(stray))}."
        remedy = (
            "They are harmless: attempts that were given to another worker left them. They go with the job."
        )
        return warning("objects", found, remedy)
    return ok("objects", f"All {count(expected, 'object')} of results are there, and no others.")


def _keys_in_rows(engine: Engine) -> dict[str, UUID]:
    found: dict[str, UUID] = {}
    with transaction(engine) as session:
        for job, *keys in session.execute(diagnosis.stored_results()):
            found.update({key: job for key in keys if key})
    return found


def _unfinished(engine: Engine, jobs: Collection[UUID]) -> set[UUID]:
    ordered, found = sorted(jobs), set[UUID]()
    with transaction(engine) as session:
        for first in range(0, len(ordered), _IDS_AT_ONCE):
            statement = diagnosis.unfinished_among(ordered[first : first + _IDS_AT_ONCE])
            found.update(session.scalars(statement))
    return found


def _job_of(key: str) -> UUID | None:
    try:
        return UUID(key.split("/")[1])
    except (IndexError, ValueError):
        return None


def _some(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
