"""The limits of this server, as they are shown: each with the setting that moves it."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, Field

from shared.queries.custom_ids import MOST_CHARACTERS
from shared.queries.rules import Limits
from shared.settings import ApiSettings
from shared.sheets.asked import MOST_AS_ROWS
from shared.sheets.forms.ndjson import LONGEST_LINE
from shared.sheets.report import FIRST


class LimitBody(BaseModel):
    """One limit."""

    name: str = Field(examples=["samples"])
    value: float = Field(examples=[1_000_000])
    unit: str = Field(examples=["samples"])
    setting: str | None = Field(description="The variable that moves it; null where it is fixed.")
    meaning: str


class LimitsBody(BaseModel):
    """Every limit."""

    limits: list[LimitBody]


def limits_of(settings: ApiSettings) -> LimitsBody:
    """The limits that hold with these settings."""
    fixed = Limits()
    rows: list[tuple[str, float | timedelta, str, str | None, str]] = [
        ("samples", settings.max_samples, "samples", "MAX_SAMPLES", "Samples of one query."),
        ("inputs", settings.max_inputs, "inputs", "MAX_INPUTS", "Inputs of one query."),
        ("json_body", settings.max_body_bytes, "bytes", "MAX_BODY_BYTES", "A query in JSON, unpacked."),
        (
            "file_body",
            settings.max_upload_bytes,
            "bytes",
            "MAX_UPLOAD_BYTES",
            "A file of rows, and an upload: as sent, and unpacked.",
        ),
        ("line", LONGEST_LINE, "bytes", None, "A line of a file of rows."),
        ("upload", settings.upload_lifetime, "seconds", "UPLOAD_LIFETIME", "An upload is kept untouched."),
        ("report", settings.report_lifetime, "seconds", "REPORT_LIFETIME", "A report on bad rows is kept."),
        ("link", settings.link_lifetime, "seconds", "LINK_LIFETIME", "A signed link holds."),
        ("result", settings.result_lifetime, "seconds", "RESULT_LIFETIME", "A result is kept, unless asked."),
        ("result_longest", fixed.longest_life, "seconds", None, "What expires_in may ask for."),
        (
            "workspace_samples",
            settings.workspace_samples,
            "samples",
            "WORKSPACE_SAMPLES",
            "Promised to one workspace and not there yet; beyond them no query is taken.",
        ),
        (
            "service_samples",
            settings.service_samples,
            "samples",
            "SERVICE_SAMPLES",
            "The same of all workspaces together.",
        ),
        (
            "workspace_uploads",
            settings.workspace_uploads,
            "uploads",
            "WORKSPACE_UPLOADS",
            "Kept for one workspace, whole or not; beyond them none is begun.",
        ),
        (
            "workspace_upload_bytes",
            settings.workspace_upload_bytes,
            "bytes",
            "WORKSPACE_UPLOAD_BYTES",
            "The same, by what their uploads were announced with.",
        ),
        ("interactive", settings.interactive_samples, "samples", "INTERACTIVE_SAMPLES", "More are bulk."),
        ("rows_in_json", MOST_AS_ROWS, "inputs", None, "More are taken in as a file of rows is."),
        ("total_count", fixed.total_count, "counts", None, "The library size of a sample."),
        ("custom_id", MOST_CHARACTERS, "characters", None, "A custom_id."),
        ("text", fixed.text, "characters", None, "A free text, and a value of client_metadata."),
        ("client_metadata", fixed.pairs, "pairs", None, "Pairs of client_metadata."),
        ("faults", FIRST, "faults", None, "Listed in a refusal; a report holds all."),
    ]
    return LimitsBody(limits=[_body(*row) for row in rows])


def _body(name: str, value: float | timedelta, unit: str, setting: str | None, meaning: str) -> LimitBody:
    number = value.total_seconds() if isinstance(value, timedelta) else value
    full = f"GENEQUEUE_{setting}" if setting else None
    return LimitBody(name=name, value=number, unit=unit, setting=full, meaning=meaning)
