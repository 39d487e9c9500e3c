"""How the parts of two runs are held against each other, whatever their cuts."""

from __future__ import annotations

from uuid import uuid4

import pyarrow as pa
import pytest

from api.services.comparison import Outcome, Verdict, compare, stretches
from shared.results.part import encode_part

QUERY = uuid4()


def outcome(first: int, size: int, digest: str | None = "same", device: str = "cpu") -> Outcome:
    """A chunk, its part under its first sample and size."""
    key = None if digest is None else f"{first}+{size}"
    return Outcome(first, size, key, digest, device)


def part_of(key: str) -> bytes:
    """The rows of such a part: their numbers."""
    first, size = map(int, key.split("+"))
    return encode_part(pa.table({"counts": list(range(first, first + size))}))


@pytest.mark.parametrize(
    ("ours", "sizes"),
    [
        ([(0, 4), (4, 4), (8, 2)], [(1, 1)] * 3),
        ([(0, 2), (2, 2), (4, 4), (8, 2)], [(1, 2), (1, 1), (1, 1)]),
        ([(0, 3), (3, 7)], [(3, 2)]),
        ([(0, 6), (6, 2), (8, 2)], [(2, 2), (1, 1)]),
    ],
)
def test_stretches_are_the_shortest_runs_of_the_same_samples(
    ours: list[tuple[int, int]], sizes: list[tuple[int, int]]
) -> None:
    theirs = [outcome(0, 4), outcome(4, 4), outcome(8, 2)]
    found = stretches(theirs, [outcome(*each) for each in ours])
    assert [(len(before), len(now)) for before, now in found] == sizes


def test_equal_digests_are_equal_parts_and_nothing_is_read() -> None:
    found = compare(QUERY, [outcome(0, 4), outcome(4, 4)], [outcome(0, 4), outcome(4, 4)], {}.__getitem__)
    assert (found.state, found.parts, found.different_parts, found.note) == (Verdict.SAME, 2, 0, None)


def test_one_other_digest_is_one_different_part_though_the_rest_is_unknown() -> None:
    theirs = [outcome(0, 4), outcome(4, 4)]
    ours = [outcome(0, 2), outcome(2, 2), outcome(4, 4, "other")]
    found = compare(QUERY, theirs, ours, {}.__getitem__)
    assert (found.state, found.parts, found.different_parts) == (Verdict.DIFFERENT, 2, 1)
    assert found.note is not None
    assert found.note.startswith("1 parts")


def test_rows_decide_where_the_cuts_differ() -> None:
    theirs, ours = [outcome(0, 4)], [outcome(0, 1), outcome(1, 3)]
    assert compare(QUERY, theirs, ours, part_of).state is Verdict.SAME
    shifted = [outcome(0, 1), outcome(1, 3, None)]
    assert compare(QUERY, theirs, shifted, part_of).state is Verdict.DIFFERENT, "rows are missing"


def test_chunks_that_failed_both_times_are_alike() -> None:
    both = [outcome(0, 4, None)], [outcome(0, 2, None), outcome(2, 2, None)]
    assert compare(QUERY, *both, part_of).state is Verdict.SAME


def test_another_device_is_said_whatever_came_of_it() -> None:
    found = compare(QUERY, [outcome(0, 4)], [outcome(0, 4, "same", "cuda:0")], part_of)
    assert found.state is Verdict.SAME
    assert found.note is not None
    assert "computed on cpu, this on cuda:0" in found.note


def test_the_same_rows_in_other_bytes_are_the_same() -> None:
    """Another version of a library writes a part otherwise; what it says decides."""
    theirs, ours = [outcome(0, 4)], [outcome(0, 4, "written otherwise")]
    assert compare(QUERY, theirs, ours, part_of).state is Verdict.SAME
    assert compare(QUERY, theirs, ours, {}.__getitem__).state is Verdict.DIFFERENT, "nobody can tell"


def test_a_part_that_was_damaged_since_is_no_equal_part_and_no_crash() -> None:
    theirs, ours = [outcome(0, 4)], [outcome(0, 4, "other")]
    assert compare(QUERY, theirs, ours, lambda _: b"no Parquet").state is Verdict.DIFFERENT
