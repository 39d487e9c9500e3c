"""Counts that a query brings along come back as they went."""

from __future__ import annotations

from uuid import uuid4

import numpy as np

from shared.results.specimens import (
    decode_specimens,
    encode_specimens,
    job_of_key,
    specimens_key,
    specimens_prefix,
)


def test_counts_come_back_as_they_went_and_equal_ones_give_equal_bytes() -> None:
    counts = np.random.default_rng(0).poisson(3, (7, 50)).astype(np.int32)
    data = encode_specimens(256, list(counts))
    assert np.array_equal(decode_specimens(data, 50), counts)
    assert data == encode_specimens(256, list(counts))


def test_a_key_sorts_by_its_first_input_below_its_job_and_names_the_job() -> None:
    job_id = uuid4()
    keys = [specimens_key(job_id, first) for first in (0, 256, 99_840)]
    assert keys == sorted(keys)
    for key in keys:
        assert key.startswith(f"{specimens_prefix(job_id)}/")
        assert job_of_key(key) == job_id
    assert job_of_key("inputs/something else/counts.parquet") is None
