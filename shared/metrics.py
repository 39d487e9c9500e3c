"""Every figure that Prometheus may read: its name, its meaning, its labels. Knows no rows and no HTTP.

Each kind of process shows a registry of its own. `model` is a public id; times are in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.metrics_core import GaugeMetricFamily

# A time beside every counter, which nothing reads.
disable_created_metrics()  # type: ignore[no-untyped-call]
API = CollectorRegistry()
WORKER = CollectorRegistry()
for _registry in (API, WORKER):
    ProcessCollector(registry=_registry)

_MODEL = ("model",)
_BY_LANE = ("model", "lane")
_VERSION = ("model", "version")
_QUEUE = ("model", "version", "lane")
_WAITS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1800)
_FILLS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)


@dataclass(frozen=True, slots=True)
class Gauge:
    """A figure that is read off the rows when somebody asks for it."""

    name: str
    meaning: str
    labels: tuple[str, ...] = ()

    def family(self) -> GaugeMetricFamily:
        """Its values of now, yet to be added."""
        return GaugeMetricFamily(self.name, self.meaning, labels=self.labels)


# The API reads these off the rows: every API process shows the same.
ROWS_READABLE = Gauge("genequeue_rows_readable", "1 if Postgres answered; 0, and no other gauge, if not.")
OPEN_CHUNKS = Gauge("genequeue_open_chunks", "Chunks that are queued or run.", (*_QUEUE, "state"))
OPEN_SAMPLES = Gauge(
    "genequeue_open_samples", "Samples of the chunks that are queued or run.", (*_QUEUE, "state")
)
OLDEST_QUEUED = Gauge(
    "genequeue_oldest_queued_seconds", "How long the oldest queued chunk has waited.", labels=_QUEUE
)
OPEN_JOBS = Gauge("genequeue_open_jobs", "Jobs that are queued or run.", ("model", "state"))
LIVE_WORKERS = Gauge("genequeue_live_workers", "Generation workers that were heard of lately.")
LIVE_UPKEEP = Gauge("genequeue_live_upkeep", "Upkeep workers whose sweep went through lately.")
HOLDING_WORKERS = Gauge("genequeue_holding_workers", "Live workers that hold the version.", labels=_VERSION)
OPEN_DELIVERIES = Gauge(
    "genequeue_open_deliveries", "Webhook deliveries that wait for their time, or are sent."
)
OVERDUE_ENDPOINTS = Gauge(
    "genequeue_overdue_endpoints", "Webhook endpoints that should long be sent something, and are not."
)
GAUGES = (
    ROWS_READABLE,
    OPEN_CHUNKS,
    OPEN_SAMPLES,
    OLDEST_QUEUED,
    OPEN_JOBS,
    LIVE_WORKERS,
    LIVE_UPKEEP,
    HOLDING_WORKERS,
    OPEN_DELIVERIES,
    OVERDUE_ENDPOINTS,
)

# What an API process counts of its own requests.
REQUEST_SECONDS = Histogram(
    "genequeue_request_seconds",
    "From a request to the first byte of its answer.",
    ("method", "route", "status"),
    registry=API,
    buckets=_WAITS,
)
SUBMITS = Counter(
    "genequeue_submits", "Submits: accepted, rejected (4xx) or failed (5xx).", ("outcome",), registry=API
)

# What a generation worker counts of its own work.
CLAIM_WAIT = Histogram(
    "genequeue_claim_wait_seconds",
    "From a chunk's queuing to its claim.",
    _BY_LANE,
    registry=WORKER,
    buckets=_WAITS,
)
BATCH_FILL = Histogram(
    "genequeue_batch_fill_ratio",
    "Samples of a batch, of those that fit.",
    _MODEL,
    registry=WORKER,
    buckets=_FILLS,
)
BATCH_SECONDS = Histogram(
    "genequeue_batch_seconds", "Computing a batch.", _MODEL, registry=WORKER, buckets=_WAITS
)
SAMPLES = Counter("genequeue_samples", "Samples computed and stored.", _BY_LANE, registry=WORKER)
ATTEMPTS = Counter(
    "genequeue_chunk_attempts",
    "Ends of attempts: done, failed, given_back (a server was away) or lease_lost.",
    (*_BY_LANE, "outcome"),
    registry=WORKER,
)
JOBS_FAILED = Counter("genequeue_jobs_failed", "Jobs that ended without a result.", registry=WORKER)

# What upkeep counts.
LEASES_TAKEN_BACK = Counter(
    "genequeue_leases_taken_back", "Leases whose worker stopped answering.", _BY_LANE, registry=WORKER
)
WEBHOOK_ATTEMPTS = Counter(
    "genequeue_webhook_attempts",
    "Attempts at webhook deliveries: delivered, again (tried later), failed (the last one) or gone (410).",
    ("outcome",),
    registry=WORKER,
)
WEBHOOK_ANSWER = Histogram(
    "genequeue_webhook_answer_seconds",
    "From an event to the answer of the first attempt to tell it.",
    registry=WORKER,
    buckets=_WAITS,
)
ENDPOINTS_DISABLED = Counter(
    "genequeue_endpoints_disabled",
    "Webhook endpoints that were disabled: gone (410) or failing (for five days).",
    ("reason",),
    registry=WORKER,
)
