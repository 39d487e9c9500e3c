"""The manifest of a result: what was asked, by what it was answered, and the digests of its parts.

Built from rows alone, so that any process can write it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

import orjson

MANIFEST_VERSION = 3
RESULTS = "results"  # above everything that belongs to results


@dataclass(frozen=True, slots=True)
class PartEntry:
    """One part: where it lies, what it holds, on which kind of device it was computed."""

    key: str
    first_sample: int
    num_samples: int
    bytes: int
    sha256: str
    device: str


@dataclass(frozen=True, slots=True)
class Failure:
    """An input whose samples are missing, or some of them, or that was left out from the start, and why."""

    input_index: int
    reason: str


@dataclass(frozen=True, slots=True)
class ResultManifest:
    """A whole result. The same query, seed, weights and device kind give the same parts.

    `genes_sha256` is of the table of genes that lies beside the parts in a folder. `query_sha256` is of all
    that was asked but the seed. `failures` names of the `rejected_rows`, which were left out before anything
    ran, the first only.
    """

    job_id: str
    model_id: str
    model_version: int
    weights_sha256: str
    vocabulary_sha256: str | None
    genes_sha256: str | None
    request_type: str
    sampling_strategy: str
    total_count: int
    deterministic_latents: bool
    conditioning: Sequence[str]
    fixed_total_count: bool
    query_sha256: str | None
    seed: int
    num_samples: int
    custom_ids: bool
    warnings: Sequence[str]
    coverage: Sequence[Mapping[str, Any]]
    parts: Sequence[PartEntry]
    failures: Sequence[Failure] = ()
    rejected_rows: int = 0

    def to_json(self) -> bytes:
        """The manifest as stored."""
        content: dict[str, Any] = {"manifest_version": MANIFEST_VERSION, **asdict(self)}
        return orjson.dumps(content, option=orjson.OPT_INDENT_2)


def result_prefix(job_id: UUID) -> str:
    """Where everything of a job's result lies."""
    return f"{RESULTS}/{job_id}"


def part_key(job_id: UUID, position: int, token: int) -> str:
    """The key of a part. The fencing token is in it: two attempts never write the same object."""
    return f"{result_prefix(job_id)}/part-{position:06d}-{token}.parquet"


def manifest_key(job_id: UUID, token: int) -> str:
    """The key of a manifest, under the token of the chunk that ended the job."""
    return f"{result_prefix(job_id)}/manifest-{token}.json"
