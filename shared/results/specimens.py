"""The samples that a query brings along, as they are stored: count vectors, up to 256 inputs an object."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shared.results.part import COUNTS, decode_part, encode_part, list_column

INPUTS_AT_ONCE = 256
INPUTS = "inputs"  # above everything that belongs to queries
_INDEX = "input_index"


def specimens_prefix(job_id: UUID) -> str:
    """Where everything lies that a job's query brought along."""
    return f"{INPUTS}/{job_id}"


def specimens_key(job_id: UUID, first_input: int) -> str:
    """The key of the object that holds an input and those behind it."""
    return f"{specimens_prefix(job_id)}/counts-{first_input:06d}.parquet"


def job_of_key(key: str) -> UUID | None:
    """Whose counts lie under a key; None where it is not one of ours."""
    try:
        return UUID(key.split("/")[1])
    except (IndexError, ValueError):
        return None


def encode_specimens(first_input: int, counts: Sequence[NDArray[np.int32]]) -> bytes:
    """The Parquet bytes of the counts of consecutive inputs."""
    indices = pa.array(np.arange(first_input, first_input + len(counts), dtype=np.int32))
    return encode_part(pa.table({_INDEX: indices, COUNTS: list_column(np.stack(counts))}))


def decode_specimens(data: bytes, num_genes: int) -> NDArray[np.int32]:
    """Counts [N, G] of consecutive inputs. Raises ValueError for anything but what was encoded."""
    flat = decode_part(data).column(COUNTS).combine_chunks().flatten().to_numpy(zero_copy_only=False)
    counts: NDArray[np.int32] = flat.reshape(-1, num_genes)
    return counts
