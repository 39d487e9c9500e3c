"""Storing a part: the samples of one chunk as Parquet, under a key that holds the fencing token."""

from __future__ import annotations

import hashlib

from shared.database.queries.leases import StoredPart
from shared.results.manifest import part_key
from shared.results.part import Samples, encode_part, part_table
from shared.storage.port import Storage
from worker.generation.work import Work


def write_part(storage: Storage, work: Work, samples: Samples, device: str) -> StoredPart:
    """Encode and store the samples of a chunk. Raises StorageUnavailable."""
    data = encode_part(part_table(samples))
    key = part_key(work.job_id, work.position, work.token)
    storage.put(key, data)
    return StoredPart(key, len(data), hashlib.sha256(data).hexdigest(), device)
