"""What a receiver is told: the event, and everything public about its job as it stands now, within 20 kB."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from shared.database.tables import Event, Job
from shared.jobs.endings import why_ended
from shared.jobs.states import JobState
from shared.links import LinkSigner, report, result
from shared.storage.reports import report_of_key

MOST_BYTES = 20_000
FAILURES_SHOWN = 100
# What is cut where all of it would be too much: lists lose what is least grave, then pairs, then sentences.
_LISTS = ("coverage", "warnings", "failures")
_SENTENCES = ("error", "source")
_LONGEST_SENTENCE = 500

Failure = tuple[int, str | None]  # the position of an input, and why it has no samples


@dataclass(frozen=True, slots=True)
class Links:
    """Where clients find this service, and how download links are signed."""

    base_url: str
    signer: LinkSigner

    def of(self, job: Job) -> dict[str, str]:
        """Where everything about a job is; the download link is fresh."""
        route = f"{self.base_url}/api/model-queries/{job.id}"
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
                "download": self.base_url + self.signer.path(result(job.id)),
            }
        if job.rejected:
            bad_rows = report(report_of_key(job.rejected["report"]))
            links |= {"report": self.base_url + self.signer.path(bad_rows)}
        if job.state == JobState.CANCELLED and job.samples_done > 0:
            links |= {"partial_result": f"{route}/result?partial=true"}
        return links


def event_payload(event: Event, job: Job, failures: Sequence[Failure], links: Links) -> bytes:
    """The body about one event of a job: the bytes that are signed and sent."""
    data = public_state(job, failures, links)
    data["event"] = {"number": event.number, "kind": event.kind, "data": event.data}
    return _small(_body(event.kind, event.created_at, data))


def ping_payload(at: datetime, endpoint_id: str) -> bytes:
    """The body that tries out an endpoint."""
    return _written(_body("webhook.ping", at, {"endpoint_id": endpoint_id}))


def public_state(job: Job, failures: Sequence[Failure], links: Links) -> dict[str, Any]:
    """What the API shows of a job, by the same names, and the number of its newest event. No estimates."""
    return {
        "id": job.id,
        "sequence": job.events,
        "model_id": job.model_id,
        "model_version": job.model_version,
        "status": job.state,
        "progress": {
            "samples_done": job.samples_done,
            "samples_total": job.samples_total,
            "percent": round(100 * job.samples_done / job.samples_total, 1),
        },
        "samples_failed": job.samples_failed,
        "failures": [{"path": f"inputs[{at}]", "reason": reason or ""} for at, reason in failures],
        "rejected_rows": (job.rejected or {}).get("rows", 0),
        "error": why_ended(job.state, job.error, deleted=job.deleted_at is not None),
        "warnings": list(job.warnings),
        "coverage": list(job.coverage),
        "request_type": job.request_type,
        "sampling_strategy": job.sampling_strategy,
        "total_count": job.total_count,
        "deterministic_latents": job.deterministic_latents,
        "conditioning": job.conditioning,
        "fixed_total_count": job.fixed_total_count,
        "seed": job.seed,
        "source": job.source,
        "priority": job.lane,
        "deadline": job.deadline,
        "client_metadata": job.client_metadata,
        "parent_id": job.parent_id,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "expires_at": job.expires_at,
        "links": links.of(job),
    }


def _body(kind: str, at: datetime, data: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "timestamp": at, "data": data}


def _written(value: Any) -> bytes:
    """As JSON; times as the API writes them."""
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)


def _small(body: dict[str, Any]) -> bytes:
    """As JSON; where that is too large, the largest list loses its second half, and it is said how much."""
    data = body["data"]
    while len(encoded := _written(body)) > MOST_BYTES:
        name = max(_LISTS, key=lambda each: len(_written(data[each])))
        if not data[name]:
            return _smallest(body)
        kept = len(data[name]) // 2
        _leave_out(data, name, sum(map(_entries, data[name][kept:])))
        data[name] = data[name][:kept]
    return encoded


def _smallest(body: dict[str, Any]) -> bytes:
    """Without what a query may bring along at any length."""
    data = body["data"]
    if data["client_metadata"]:
        _leave_out(data, "client_metadata", len(data["client_metadata"]))
        data["client_metadata"] = {}
    for name in _SENTENCES:
        data[name] = data[name] and data[name][:_LONGEST_SENTENCE]
    if len(_written(body)) > MOST_BYTES:
        data["event"]["data"] = {}
    return _written(body)


def _leave_out(data: dict[str, Any], name: str, count: int) -> None:
    left_out = data.setdefault("left_out", {})
    left_out[name] = left_out.get(name, 0) + count


def _entries(entry: Any) -> int:
    """How many an entry of a list stands for: the last of a long one says how many are not listed."""
    return entry["left_out"] if isinstance(entry, dict) and "left_out" in entry else 1
