"""Cutting a job into chunks: runs of consecutive samples, and which inputs a run covers. Pure arithmetic."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True, slots=True)
class ChunkPlan:
    """A run of consecutive samples of one job: `[first_sample, first_sample + num_samples)`."""

    position: int
    first_sample: int
    num_samples: int


@dataclass(frozen=True, slots=True)
class Run:
    """The samples of one input that lie in a chunk.

    `first` is the index of the first of them within the input.
    """

    input_index: int
    first: int
    count: int


def plan_chunks(num_samples: int, samples_per_chunk: int) -> Iterator[ChunkPlan]:
    """Cut `num_samples` samples into chunks of at most `samples_per_chunk`, in order."""
    for position, first in enumerate(range(0, num_samples, samples_per_chunk)):
        yield ChunkPlan(position, first, min(samples_per_chunk, num_samples - first))


def first_samples(sizes: Sequence[int]) -> list[int]:
    """The index of each input's first sample within the job, given the inputs' sizes."""
    return [0, *accumulate(sizes)][: len(sizes)]


def runs_of_chunk(starts: Sequence[int], sizes: Sequence[int], chunk: ChunkPlan) -> Iterator[Run]:
    """The runs of samples, input by input, that a chunk covers.

    `starts` and `sizes` describe consecutive inputs, by first sample within the job and number of samples;
    the `input_index` of a run counts within them.
    """
    end = chunk.first_sample + chunk.num_samples
    position = max(bisect_right(starts, chunk.first_sample) - 1, 0)
    while position < len(starts) and starts[position] < end:
        low = max(starts[position], chunk.first_sample)
        high = min(starts[position] + sizes[position], end)
        if low < high:
            yield Run(position, low - starts[position], high - low)
        position += 1
