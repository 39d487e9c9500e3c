"""Storing a part: the rows of one chunk as Parquet, under a key that holds the fencing token."""

from __future__ import annotations

import hashlib

import pyarrow as pa

from shared.database.queries.leases import StoredPart
from shared.results.forms import FORMS, Rows
from shared.results.manifest import part_key
from shared.results.part import encode_part
from shared.storage.port import Storage
from worker.generation.work import Work

_LARGE = 1 << 20  # bytes of a part that is worth the third of a millisecond


def write_part(storage: Storage, work: Work, rows: Rows, device: str) -> StoredPart:
    """Encode and store the rows of a chunk. Raises StorageUnavailable."""
    data = encode_part(FORMS[work.request_type].table(rows))
    if len(data) > _LARGE:
        # This thread would keep what encoding took, as much as the counts themselves, until its next part.
        pa.default_memory_pool().release_unused()
    key = part_key(work.job_id, work.position, work.token)
    storage.put(key, data)
    return StoredPart(key, len(data), hashlib.sha256(data).hexdigest(), device)
