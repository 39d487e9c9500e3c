"""What a receiver is told: the event, and everything public about its job as it stands now, within 20 kB."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from shared.database.tables import Event, Job
from shared.jobs.states import JobState
from shared.links import LinkSigner

MOST_BYTES = 20_000
_LISTS = ("coverage", "warnings")  # what is cut where all of it would be too much


@dataclass(frozen=True, slots=True)
class Links:
    """Where clients find this service, and how download links are signed."""

    base_url: str
    signer: LinkSigner

    def of(self, job: Job) -> dict[str, str]:
        """Where everything about a job is; the download link is fresh."""
        route = f"{self.base_url}/api/model-queries/{job.id}"
        links = {"self": route, "status": f"{route}/status", "events": f"{route}/events"}
        if job.state == JobState.READY:
            links |= {"result": f"{route}/result", "download": self.base_url + self.signer.path(job.id)}
        return links


def event_payload(event: Event, job: Job, links: Links) -> bytes:
    """The body about one event of a job: the bytes that are signed and sent."""
    data = public_state(job, links)
    data["event"] = {"number": event.number, "kind": event.kind, "data": event.data}
    return _small(_body(event.kind, event.created_at, data))


def ping_payload(at: datetime, endpoint_id: str) -> bytes:
    """The body that tries out an endpoint."""
    return orjson.dumps(_body("webhook.ping", at, {"endpoint_id": endpoint_id}))


def public_state(job: Job, links: Links) -> dict[str, Any]:
    """What the API shows of a job's row, by the same names, and the number of its newest event."""
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
        "error": job.error,
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
    return {"type": kind, "timestamp": at.astimezone(UTC).isoformat().replace("+00:00", "Z"), "data": data}


def _small(body: dict[str, Any]) -> bytes:
    """As JSON; where that is too large, the longest list loses its second half, and it is said how much."""
    data = body["data"]
    while len(encoded := orjson.dumps(body)) > MOST_BYTES:
        longest = max(_LISTS, key=lambda name: len(data[name]))
        kept = len(data[longest]) // 2
        left_out = data.setdefault("left_out", dict.fromkeys(_LISTS, 0))
        left_out[longest] += len(data[longest]) - kept
        data[longest] = data[longest][:kept]
        if not any(data[name] for name in _LISTS):
            break
    return encoded
