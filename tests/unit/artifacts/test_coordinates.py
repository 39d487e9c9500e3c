"""Lines of a matrix in coordinates are what writing them number by number gives."""

from __future__ import annotations

import numpy as np
import pytest

from worker.artifacts.coordinates import lines


def one_by_one(counts: np.ndarray, first: int) -> bytes:
    return b"".join(
        b"%d %d %d\n" % (gene + 1, first + sample, counts[sample, gene])
        for sample, gene in np.argwhere(counts)
    )


@pytest.mark.parametrize(
    "largest", [1, 9, 65_535, 65_536, 9_999_999, 10_000_000, np.iinfo(np.int32).max], ids=str
)
@pytest.mark.parametrize("first", [1, 999_999, 9_999_995, 10_000_000])
def test_every_number_is_written_whole(largest: int, first: int) -> None:
    counts = np.random.default_rng(0).integers(0, largest, (4, 30), np.int32, endpoint=True)
    counts[0, :3] = (0, largest, largest - 1)
    assert b"".join(lines(counts, first)) == one_by_one(counts, first)


def test_a_sample_without_counts_has_no_lines() -> None:
    counts = np.array([[0, 3], [0, 0], [1, 0]], np.int32)
    assert list(lines(counts, 1)) == [b"2 1 3\n", b"", b"1 3 1\n"]
