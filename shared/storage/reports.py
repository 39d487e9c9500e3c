"""Where the reports on the rows of large requests lie: an object each, swept after some days."""

from __future__ import annotations

from pathlib import PurePosixPath
from uuid import UUID

REPORTS = "reports"  # above every report


def report_key(report_id: UUID) -> str:
    """The key of a report: a JSON object a line."""
    return f"{REPORTS}/{report_id}.ndjson"


def report_of_key(key: str) -> UUID:
    """The id of the report that lies under a key."""
    return UUID(PurePosixPath(key).stem)
