"""Storing a part: the rows of one chunk as Parquet, under a key that holds the fencing token."""

from __future__ import annotations

import hashlib

from shared.database.queries.leases import StoredPart
from shared.results.forms import FORMS, Rows
from shared.results.manifest import part_key
from shared.results.part import encode_part
from shared.storage.port import Storage
from worker.generation.work import Work


def write_part(storage: Storage, work: Work, rows: Rows, device: str) -> StoredPart:
    """Encode and store the rows of a chunk. Raises StorageUnavailable."""
    data = encode_part(FORMS[work.request_type].table(rows))
    key = part_key(work.job_id, work.position, work.token)
    storage.put(key, data)
    return StoredPart(key, len(data), hashlib.sha256(data).hexdigest(), device)
