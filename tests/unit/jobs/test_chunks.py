"""Cutting a job into chunks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.jobs.chunks import ChunkPlan, Run, first_samples, plan_chunks, runs_of_chunk

sizes_of_inputs = st.lists(st.integers(1, 40), min_size=1, max_size=30)


def test_the_last_chunk_takes_what_is_left() -> None:
    assert list(plan_chunks(7, 3)) == [ChunkPlan(0, 0, 3), ChunkPlan(1, 3, 3), ChunkPlan(2, 6, 1)]


def test_a_chunk_begins_and_ends_within_inputs() -> None:
    starts, sizes = [0, 5, 6], [5, 1, 10]
    assert list(runs_of_chunk(starts, sizes, ChunkPlan(1, 3, 5))) == [
        Run(0, 3, 2),
        Run(1, 0, 1),
        Run(2, 0, 2),
    ]


@given(sizes_of_inputs, st.integers(1, 50))
def test_chunks_cover_every_sample_once_and_in_order(sizes: list[int], per_chunk: int) -> None:
    covered = [
        (run.input_index, index)
        for chunk in plan_chunks(sum(sizes), per_chunk)
        for run in runs_of_chunk(first_samples(sizes), sizes, chunk)
        for index in range(run.first, run.first + run.count)
    ]
    assert covered == [(position, index) for position, size in enumerate(sizes) for index in range(size)]


@given(sizes_of_inputs, st.integers(1, 50))
def test_the_inputs_of_a_chunk_are_found_from_those_that_overlap_it(sizes: list[int], per_chunk: int) -> None:
    """A worker loads only the inputs that overlap its chunk, and sees the same runs."""
    starts = first_samples(sizes)
    for chunk in plan_chunks(sum(sizes), per_chunk):
        end = chunk.first_sample + chunk.num_samples
        rows = [i for i in range(len(sizes)) if starts[i] < end and starts[i] + sizes[i] > chunk.first_sample]
        loaded = runs_of_chunk([starts[i] for i in rows], [sizes[i] for i in rows], chunk)
        whole = runs_of_chunk(starts, sizes, chunk)
        assert [(rows[run.input_index], run.first, run.count) for run in loaded] == [
            (run.input_index, run.first, run.count) for run in whole
        ]
