"""How a job is shown by every route that shows one: its body with its links, and its ETag."""

from __future__ import annotations

import re
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncSession

from api.dependencies import Plugs
from api.schemas.jobs import JobBody
from api.services.comparison import reproduction_of
from api.services.results import has_part_of_result, why_ended
from api.services.standing import standing_of
from shared.database.tables import Job
from shared.jobs.states import JobState
from shared.links import report, result
from shared.storage.reports import report_of_key

_ETAG = re.compile(r'(?:W/)?"(\d{1,9})"')


async def job_body(session: AsyncSession, job: Job, plugs: Plugs, base_url: str) -> JobBody:
    """Everything public about a job, as it stands now."""
    ended_without = job.state in {JobState.FAILED, JobState.CANCELLED, JobState.EXPIRED}
    error = why_ended(job) if ended_without else None
    standing = replace(
        await standing_of(session, job), reproduces=await reproduction_of(session, plugs.storage, job)
    )
    return JobBody.of(job, standing, error, links_of(job, plugs, base_url))


def links_of(job: Job, plugs: Plugs, base_url: str) -> dict[str, str]:
    """Where everything about a job is; the download link is fresh."""
    route = f"{base_url}/api/model-queries/{job.id}"
    links = {
        "self": route,
        "status": f"{route}/status",
        "events": f"{route}/events",
        "parts": f"{route}/parts",
    }
    if job.state == JobState.READY:
        links |= {
            "result": f"{route}/result",
            "manifest": f"{route}/manifest",
            "summary": f"{route}/summary",
            "artifacts": f"{route}/artifacts",
            "download": base_url + plugs.links.path(result(job.id)),
        }
    if job.rejected:
        report_id = report_of_key(job.rejected["report"])
        links |= {"report": base_url + plugs.links.path(report(report_id), plugs.settings.report_lifetime)}
    if has_part_of_result(job):
        links |= {"partial_result": f"{route}/result?partial=true"}
    return links


def etag_of(job: Job) -> str:
    """The number of the job's newest event. A weak tag: estimates move without one."""
    return f'W/"{job.events}"'


def seen_number(if_none_match: str | None) -> int | None:
    """The event number that a caller knows, of an If-None-Match header; None without one of ours."""
    found = _ETAG.search(if_none_match or "")
    return int(found[1]) if found else None
