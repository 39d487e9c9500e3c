"""Fetches the counts that a chunk's inputs bring along, and makes sure that they are what was stored."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from shared.errors import InputDamaged
from shared.results.specimens import INPUTS_AT_ONCE, decode_specimens
from shared.storage.port import Storage
from worker.generation.work import StoredSpecimens, Work


def fetch_specimens(storage: Storage, work: Work, num_genes: int) -> NDArray[np.int32]:
    """Counts [C, G], a row for each condition of a chunk. Raises InputDamaged and StorageUnavailable."""
    wanted = [condition.input_index for condition in work.conditions]
    found = []
    for stored in work.specimens:
        counts = _fetch(storage, stored, num_genes)
        rows = [index - stored.first_input for index in wanted]
        found.append(counts[[row for row in rows if 0 <= row < INPUTS_AT_ONCE]])
    return np.concatenate(found)


def _fetch(storage: Storage, stored: StoredSpecimens, num_genes: int) -> NDArray[np.int32]:
    try:
        data = storage.get(stored.key)
    except KeyError:
        raise InputDamaged(f"The stored counts {stored.key} are missing. Submit the query again.") from None
    if hashlib.sha256(data).hexdigest() != stored.sha256:
        raise InputDamaged(f"The stored counts {stored.key} were changed. Submit the query again.")
    return decode_specimens(data, num_genes)
